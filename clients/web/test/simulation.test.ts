/**
 * Thousands of hours with several tabs, lost answers, crashes and jumping clocks, drawn at random.
 *
 * A failing run prints its seed; SEED=… runs that one alone, ROUNDS=… that many (default 40 a scenario).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Call, type Tab, World, type WorldOptions, seeded } from './world.js';

const SECOND = 1e3;
const MINUTE = 6e4;

interface Scenario extends Omit<WorldOptions, 'random' | 'fault'> {
  /** Chance that a request is lost on its way to the server, and that its answer is. */
  readonly lost?: number;
  readonly dropped?: number;
  /** Chance that the server is overloaded. */
  readonly busy?: number;
  /** Chance, at each step, that the wall clock jumps, that a tab crashes, that one opens. */
  readonly jump?: number;
  readonly crash?: number;
  readonly tabs?: number;
}

const SCENARIOS: Record<string, Scenario> = {
  'five tabs under a lock, grace 0': { life: 10, grace: 0, tabs: 5 },
  'five tabs without locks, grace 10 s': { life: 10, grace: 10, locks: false, tabs: 5 },
  'lost answers under a lock': { life: 60, grace: 30, dropped: 0.2, lost: 0.1, tabs: 4 },
  'lost answers without locks': { life: 60, grace: 30, dropped: 0.2, lost: 0.1, locks: false, tabs: 4 },
  'lost answers with the cookie': { life: 60, grace: 30, dropped: 0.2, lost: 0.1, transport: 'cookie', tabs: 4 },
  'an overloaded server': { life: 30, grace: 30, busy: 0.5, tabs: 4 },
  'jumping clocks under a lock, grace 0': { life: 60, grace: 0, jump: 0.03, tabs: 4 },
  'jumping clocks without locks': { life: 60, grace: 30, jump: 0.03, locks: false, tabs: 4 },
  'crashing tabs under a lock': { life: 20, grace: 30, crash: 0.1, tabs: 4 },
  'crashing tabs without locks': { life: 20, grace: 30, crash: 0.1, locks: false, tabs: 4 },
  'renewals of fresh tokens that are cut off': { life: 300, grace: 30, dropped: 0.3, jump: 0.05, crash: 0.3 },
  'renewals of fresh tokens that are cut off, with the cookie': { life: 3600, grace: 30, dropped: 0.3, jump: 0.05, crash: 0.3, transport: 'cookie' },
  everything: { life: 30, grace: 30, dropped: 0.1, lost: 0.1, busy: 0.2, jump: 0.02, crash: 0.05, tabs: 6 },
  'everything without locks': {
    life: 30,
    grace: 30,
    dropped: 0.1,
    lost: 0.1,
    busy: 0.2,
    jump: 0.02,
    crash: 0.05,
    locks: false,
    tabs: 6,
  },
};

const simulate = (scenario: Scenario, seed: number) => {
  const random = seeded(seed);
  const { lost = 0, dropped = 0, busy = 0, jump = 0, crash = 0, tabs = 1 } = scenario;
  // If answers are lost again and again, the grace ends at some time, and then a logout is right. So at most two requests
  // since the last renewal bring no token, including those of tabs that crash with one in flight.
  let misses = 0;
  let renewal: number | undefined;
  const spared = () => {
    if (renewal != world.record?.gen) misses = 0;
    renewal = world.record?.gen;
    return misses >= 2;
  };
  const world: World = new World({
    ...scenario,
    random,
    latency: () => 5 + random() * 100,
    fault: () => {
      const chance = random();
      if (chance >= lost + dropped + busy || spared()) return;
      misses++;
      if (chance < lost) return 'lost';
      if (chance < lost + dropped) return 'dropped';
      return { status: 503, retryAfterMs: random() < 0.3 ? 2 * SECOND : 0 };
    },
  });
  const calls: Call[] = [];
  const living = () => world.tabs.filter((tab) => tab.alive);
  const any = (): Tab => living()[Math.floor(random() * living().length)]!;
  world.login();
  while (world.tabs.length < tabs) world.open();

  for (let step = 0; step < 300; step++) {
    world.run(random() * 4 * SECOND);
    if (random() < 0.5) calls.push(any().get());
    if (random() < 0.2) any().wake();
    if (random() < jump) world.offset += Math.round((random() - 0.5) * 48 * 36e5);
    const tab = any();
    if (random() < crash && !(tab.busy && spared())) {
      if (tab.busy) misses++;
      tab.crash();
      world.open();
    }
    // A resource server refused the token that a caller got a while ago.
    const older = calls[calls.length - 5]?.token;
    if (random() < 0.02 && older) calls.push(any().get(older));
  }

  // No user is logged out, and no tab looks like a thief.
  assert.equal(world.server.count('reused'), 0, 'reused');
  assert.equal(world.record?.end, undefined, 'signed out');
  for (const tab of world.tabs) assert.deepEqual(tab.named('signedOut'), []);
  // Every caller is answered within 10 s, and a good token was good.
  world.run(11 * SECOND);
  for (const call of calls)
    if (world.tabs.every((tab) => tab.alive)) assert.ok(call.settledAt! - call.at <= 10 * SECOND + 10, 'waits');
  if (!jump)
    for (const call of calls)
      if (call.token) assert.ok(world.server.access.get(call.token)! > call.settledAt!, 'a dead token was given');
  // No storm: never more than one request in the mean second of any minute.
  world.sends.forEach((send, i) => {
    const later = world.sends[i + 60];
    assert.ok(!later || later.at - send.at > MINUTE, `sixty requests in a minute from ${send.at}`);
  });

  // Left in peace, all tabs end with the same token.
  Object.assign(world.options, { fault: undefined });
  world.run(3 * MINUTE);
  for (const tab of living()) tab.wake();
  let held = 0;
  // A commit of this very moment has not been heard yet.
  for (let i = 0; i < 5 && held != 1; i++) {
    world.run(SECOND);
    held = new Set(living().map((tab) => tab.known?.gen)).size;
  }
  assert.equal(held, 1, 'tabs differ');

  // And after a logout there is silence, whatever was in flight.
  if (random() < 0.5) any().get(world.record?.access);
  world.run(random() * 200);
  any().end('logout');
  world.run(30 * SECOND);
  const { length } = world.sends;
  for (const tab of living()) {
    assert.deepEqual(tab.named('signedOut'), [{ reason: 'logout' }]);
    assert.equal(tab.get().error?.name, 'LoginRequired');
    assert.equal(tab.timer, Infinity);
  }
  world.run(60 * MINUTE);
  assert.equal(world.sends.length, length);
  return world;
};

const rounds = process.env.SEED ? 1 : Number(process.env.ROUNDS ?? 40);
const first = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

for (const [name, scenario] of Object.entries(SCENARIOS))
  test(`${name}: ${rounds} runs from seed ${first}`, () => {
    for (let seed = first; seed < first + rounds; seed++)
      try {
        simulate(scenario, seed);
      } catch (error) {
        throw new Error(`SEED=${seed}: ${(error as Error).message}`, { cause: error });
      }
  });

for (const [life, locks, grace] of [
  [10, true, 0],
  [2, true, 0],
  [300, true, 0],
  [10, false, 10],
  [2, false, 10],
] as const)
  test(`five tabs, life ${life} s, ${locks ? 'locks' : 'no locks'}, grace ${grace} s: no reuse, at most 1.1 times the refreshes of one tab`, () => {
    const rotate = (tabs: number) => {
      const world = new World({ life, locks, grace, random: seeded(first + tabs), latency: () => 5 });
      world.login();
      while (world.tabs.length < tabs) world.open();
      world.run(200 * life * SECOND);
      assert.equal(world.server.count('reused'), 0);
      assert.ok(world.sends.length > 100);
      return world.sends.length;
    };
    const [one, five] = [rotate(1), rotate(5)];
    assert.ok(five <= 1.1 * one, `${five} for ${one}, seed ${first}`);
  });

for (const [grace, locks] of [
  [30, true],
  [30, false],
  [10, true],
  [10, false],
] as const)
  for (const transport of ['header', 'cookie'])
    test(`a step-up is carried out and its answer held back for 20 s, grace ${grace} s, ${locks ? 'locks' : 'no locks'}, ${transport}: no renewal overtakes it`, () => {
      for (let seed = first; seed < first + rounds; seed++) {
        const world = new World({ life: 4, grace, locks, transport, random: seeded(seed), latency: () => 5 });
        const tab = world.login();
        while (world.tabs.length < 3) world.open();
        tab.stepUp(20 * SECOND, seed % 2 ? 40 : (grace == 10 ? 4 : 6) * SECOND);
        for (const each of world.tabs) world.after(2500 + 500 * each.id, () => each.get());
        world.run(10 * SECOND);
        assert.equal(world.server.count('revoked'), 0, `SEED=${seed}: refused`);
        assert.equal(world.server.count('reused'), 0, `SEED=${seed}: reused`);
        assert.deepEqual(world.revoked, []);
        world.run(MINUTE);
        for (const each of world.tabs) assert.deepEqual(each.named('signedOut'), []);
        assert.equal(world.server.ended ?? world.record?.end, undefined);
        assert.ok(world.server.generation > 1, 'renewed after it');
      }
    });
