/** The cases that the Rust client runs too. The file itself says what its members mean. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Answer, type Failure, type Machine, type TokenBody, accept, machine } from '../src/machine.js';
import { type SessionRecord, type Write, apply, sound } from '../src/record.js';
import { type Effect, shell } from './world.js';

interface Step {
  readonly at: number;
  readonly clock?: number;
  readonly ask?: { readonly rejected?: string };
  readonly look?: boolean;
  readonly gets?: unknown;
  readonly renews?: boolean;
  readonly answer?: Answer;
  readonly online?: boolean;
  readonly others?: Record<string, unknown>;
  readonly record?: Record<string, unknown>;
}

interface Script {
  readonly name: string;
  readonly random: number;
  readonly tokens?: TokenBody;
  readonly record?: unknown;
  readonly unlocked?: boolean;
  readonly steps: readonly Step[];
}

interface Caller {
  gets: unknown;
}

const OFFSET = 1.7e12;
const file = '../../crates/token-client/tests/cases.json';
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Script[] };

const has = (record: unknown, wanted: object): void => {
  for (const [name, value] of Object.entries(wanted)) {
    const is = (record as Record<string, unknown> | undefined)?.[name];
    if (value && typeof value == 'object') has(is, value);
    else assert.equal(is ?? null, value, name);
  }
};

const run = ({ random, tokens, record, unlocked, steps }: Script): void => {
  let store = record as SessionRecord | undefined;
  let mono = record ? steps[0]!.at : 0;
  let offset = OFFSET;
  let sent = false;
  let caller: Caller | undefined;

  const clock = () => ({ wall: mono + offset, mono });
  const effects: Effect[] = [];
  const tab = machine('header', shell(clock, () => random, (effect) => effects.push(effect)));

  /** Every effect takes no time. */
  const settle = (): void => {
    for (let effect; (effect = effects.shift()); )
      if (effect[0] == 'store') write(effect[1]);
      else if (effect[0] == 'lock') write({ ...effect[1], locked: !unlocked });
      else if (effect[0] == 'ask') sent = true;
  };
  const write = (write: Write): void => {
    const found = sound(store);
    const next = apply(write, found, clock());
    store = next ?? found;
    tell((machine) => machine.stored({ write, found, record: store, won: !!next }));
  };
  const tell = (something: (machine: Machine) => void): void => {
    something(tab);
    settle();
  };

  tell((machine) => machine.wake());
  if (tokens) write({ kind: 'set', patch: accept('header', tokens, OFFSET) });
  for (const step of steps) {
    mono = step.at;
    offset += step.clock ?? 0;
    if (step.others) {
      const members = Object.entries({ ...store, ...step.others }).filter(([, value]) => value !== null);
      store = Object.fromEntries(members) as unknown as SessionRecord;
    }
    if (step.online) tell((machine) => machine.wake(true));
    if (step.answer) tell((machine) => machine.answer(step.answer!));
    if (step.ask) {
      const asked: Caller = { gets: 'wait' };
      caller = asked;
      const deny = (why: Failure) =>
        (asked.gets = { [why.name]: why.name == 'LoginRequired' ? why.reason : why.retryAt });
      tell((machine) => machine.want((token) => (asked.gets = token), deny, step.ask!.rejected));
    }
    if (step.look) tell((machine) => machine.tick());
    if (step.ask || step.look) {
      if ('gets' in step) assert.deepEqual(caller!.gets, step.gets);
      assert.equal(sent, !!step.renews, `renews at ${step.at}`);
    }
    sent = false;
    if (step.record) has(store, step.record);
  }
};

test('there are cases', () => assert.ok(cases.length > 30));
for (const each of cases) test(each.name, () => run(each));
