/**
 * `node:test` for engines that cannot do everything: a test that asks for what one cannot do is skipped, with the reason.
 * `scripts/test.mjs` puts it in the place of the original.
 */
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { Unsupported, WITHOUT, named } from './other.js';

const original = createRequire(import.meta.url)('node:test') as typeof import('node:test');

export const { after, before, describe } = original;

type Body = (context: TestContext) => void | Promise<void>;

export const test = (name: string, ...rest: [Body] | [object, Body]) => {
  const body = rest.pop() as Body;
  const missing = named && WITHOUT[named]?.[name];
  return original.test(name, (rest[0] as object) ?? {}, async (context) => {
    if (missing) return context.skip(missing);
    try {
      await body(context);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      context.skip(error.message);
    }
  });
};
