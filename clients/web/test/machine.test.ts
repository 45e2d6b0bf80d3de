import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Answer } from '../src/machine.js';
import { type SessionRecord, apply } from '../src/record.js';
import { type Tab, World, type WorldOptions } from './world.js';

const SECOND = 1e3;
const MINUTE = 6e4;
const HOUR = 36e5;

/** A world with one tab that has logged in. */
const signedIn = (options: WorldOptions = {}): { world: World; tab: Tab } => {
  const world = new World(options);
  const tab = world.login();
  return { world, tab };
};

/** Answers in order, then the server's own. */
const answers = (...list: (Answer | 'lost' | 'dropped' | undefined)[]) => () => list.shift();

const unavailable: Answer = { status: 503, body: { error: 'temporarily_unavailable' } };

describe('when', () => {
  for (const [life, due] of [
    [300, 240],
    [3600, 3480],
    [60, 48],
    [20, 15],
    [8, 4],
    [2, 1],
    [30 * 86400, 30 * 86400 - 120],
  ] as const)
    test(`a token of ${life} s is renewed ${due} s after it was asked for, less the jitter`, () => {
      const { world } = signedIn({ life, random: () => 0 });
      world.run(due * SECOND - 200);
      assert.equal(world.sends.length, 0);
      world.run(400);
      assert.equal(world.sends.length, 1);
    });

  test('the jitter makes it at most an eighth of the margin earlier', () => {
    const { world } = signedIn({ life: 300, random: () => 0.999 });
    world.run(232.4 * SECOND - 100);
    assert.equal(world.sends.length, 0);
    world.run(300);
    assert.equal(world.sends.length, 1);
  });

  test('a lifetime of 1 s makes at most one renewal a second', () => {
    const { world } = signedIn({ life: 1, grace: 0 });
    world.run(20 * SECOND);
    assert.ok(world.sends.length >= 15 && world.sends.length <= 20, `${world.sends.length}`);
    assert.equal(world.server.count('reused'), 0);
  });

  test('timers come in slices of at most a minute', () => {
    const { world, tab } = signedIn({ life: 30 * 86400 });
    world.run(HOUR);
    const waits = tab.effects.flatMap((effect) => (effect[0] == 'timer' ? [effect[1]] : []));
    assert.ok(waits.every((ms) => ms <= MINUTE || ms == Infinity));
    assert.ok(waits.length >= 60);
  });

  test('waking a hundred times in a second looks at the store twice and sends nothing', () => {
    const { world, tab } = signedIn();
    world.run(5 * SECOND);
    const before = tab.effects.filter((effect) => effect[0] == 'store').length;
    for (let i = 0; i < 100; i++) {
      tab.wake();
      world.run(9);
    }
    world.run(2 * SECOND);
    assert.equal(tab.effects.filter((effect) => effect[0] == 'store').length - before, 2);
    assert.equal(world.sends.length, 0);
  });

  test('a token without expires_in is believed for five minutes', () => {
    const world = new World({ random: () => 0 });
    const tab = world.open();
    tab.set({ access_token: 'a', refresh_token: 'r0' }, world.clock.wall);
    world.run(239 * SECOND);
    assert.equal(world.sends.length, 0);
    world.run(2 * SECOND);
    assert.equal(world.sends.length, 1);
  });

  test('the lifetime is anchored at the sending of the request, not at its answer', () => {
    const world = new World({ random: () => 0, latency: () => 3 * SECOND });
    world.login();
    world.run(250 * SECOND);
    assert.equal(world.record?.issuedAtWall, world.offset + world.sends[0]!.at + 0, 'sent');
  });
});

describe('getToken', () => {
  test('a fresh token is given at once and asks nobody', () => {
    const { world, tab } = signedIn();
    const call = tab.get();
    assert.equal(call.token, 'a1');
    assert.equal(world.sends.length, 0);
  });

  test('a token that is due is given at once, and its renewal starts', () => {
    const { world, tab } = signedIn();
    tab.timer = Infinity; // The timer was throttled.
    world.run(250 * SECOND);
    tab.timer = Infinity;
    const call = tab.get();
    assert.equal(call.token, 'a1');
    world.run(100);
    assert.equal(world.sends.length, 1);
  });

  test('with a dead token fifty callers wait for one renewal', () => {
    const { world, tab } = signedIn();
    world.after(0, () => (tab.timer = Infinity));
    world.run(0);
    tab.timer = Infinity;
    world.now += 400 * SECOND;
    const calls = Array.from({ length: 50 }, () => tab.get());
    assert.ok(calls.every((call) => !call.token));
    world.run(SECOND);
    assert.ok(calls.every((call) => call.token == 'a2'));
    assert.equal(world.sends.length, 1);
  });

  test('while a renewal is in flight a live token is given at once', () => {
    const { world, tab } = signedIn({ latency: () => 2 * SECOND });
    world.run(237 * SECOND);
    assert.ok(tab.busy);
    assert.equal(tab.get().token, 'a1');
  });

  test('with a dead token and no answer a caller is told after 10 s when the next attempt is due', () => {
    const { world, tab } = signedIn({ fault: () => unavailable });
    world.run(400 * SECOND);
    const call = tab.get();
    world.run(9.9 * SECOND);
    assert.equal(call.settledAt, undefined);
    world.run(200);
    assert.equal(call.error?.name, 'RefreshUnavailable');
    assert.ok(call.error!.retryAt! >= world.clock.wall - 200);
    assert.equal(tab.named('signedOut').length, 0);
  });

  test('the last second of a token is not relied upon, because servers count whole seconds', () => {
    const { world, tab } = signedIn({ fault: () => unavailable });
    world.run(298.8 * SECOND);
    assert.equal(tab.get().token, 'a1');
    world.run(0.3 * SECOND);
    assert.equal(tab.get().token, undefined);
  });

  test('nobody signed in: rejected at once, no request, no timer', () => {
    const world = new World();
    const tab = world.open();
    const early = tab.get();
    world.run(100);
    const late = tab.get();
    assert.deepEqual(early.error, { name: 'LoginRequired', reason: 'none' });
    assert.deepEqual(late.error, { name: 'LoginRequired', reason: 'none' });
    assert.equal(tab.timer, Infinity);
    assert.equal(world.sends.length, 0);
  });

  test('a rejected token that was replaced since costs no request', () => {
    const { world, tab } = signedIn();
    world.run(240 * SECOND);
    assert.equal(world.sends.length, 1);
    assert.equal(tab.get('a1').token, 'a2');
    world.run(SECOND);
    assert.equal(world.sends.length, 1);
  });

  test('a rejected current token is renewed at once, whatever its age', () => {
    const { world, tab } = signedIn();
    world.run(SECOND);
    const call = tab.get('a1');
    assert.equal(call.token, undefined);
    world.run(200);
    assert.equal(call.token, 'a2');
    assert.equal(world.sends.length, 1);
  });

  test('a resource server that refuses every token gets one renewal a second at most', () => {
    const { world, tab } = signedIn();
    for (let i = 0; i < 1000; i++) {
      tab.get(tab.known?.access);
      world.run(10);
    }
    assert.ok(world.sends.length <= 10, `${world.sends.length}`);
  });

  test('a late caller with an older token does not make a rejected one good again', () => {
    const { world, tab } = signedIn({ fault: () => unavailable });
    tab.get('a1');
    tab.get('a0');
    assert.equal(tab.get().token, undefined);
    world.run(SECOND);
  });

  test('an access token without a refresh token serves until its end, then a login is required', () => {
    const world = new World();
    const tab = world.open();
    tab.set({ access_token: 'a', expires_in: 60 }, world.clock.wall);
    world.run(50 * SECOND);
    assert.equal(tab.get().token, 'a');
    world.run(10 * SECOND);
    assert.deepEqual(tab.get().error, { name: 'LoginRequired', reason: 'expired' });
    assert.equal(world.sends.length, 0);
  });
});

describe('the answer', () => {
  test('a 200 that is no token response is a failed network, never a logout', () => {
    for (const body of [undefined, {}, { access_token: '' }, { access_token: 7 as never }]) {
      const { world, tab } = signedIn({ fault: answers({ status: 200, ...(body && { body }) }) });
      world.run(300 * SECOND);
      assert.equal(tab.named('signedOut').length, 0);
      assert.equal(tab.named('refreshError').length, 1);
      assert.ok(tab.get().token != 'a1');
    }
  });

  for (const status of [400, 401])
    test(`${status} invalid_grant ends the session: one event in each tab, then silence`, () => {
      const { world, tab } = signedIn();
      const other = world.open();
      world.run(SECOND);
      world.server.ended = 'revoked';
      world.run(300 * SECOND);
      const { length } = world.sends;
      assert.equal(length, 1);
      for (const each of [tab, other]) {
        assert.deepEqual(each.named('signedOut'), [{ reason: 'revoked' }]);
        assert.deepEqual(each.get().error, { name: 'LoginRequired', reason: 'revoked' });
        assert.equal(each.timer, Infinity);
      }
      world.run(HOUR);
      assert.equal(world.sends.length, length);
    });

  test('a refusal is no logout if another tab has newer tokens', () => {
    const { world, tab } = signedIn({
      fault: (world) => {
        // Between the refusal and its second look a login of another tab arrives.
        world.after(70, () => {
          world.record = { ...world.record!, gen: world.record!.gen + 1, access: 'b', issuedAtWall: world.clock.wall };
        });
        return { status: 400, body: { error: 'invalid_grant', reason: 'revoked' } };
      },
    });
    world.run(241 * SECOND);
    assert.equal(tab.named('signedOut').length, 0);
    assert.equal(tab.get().token, 'b');
  });

  for (const answer of [
    { status: 404 },
    { status: 403, body: { error: 'csrf_failed' } },
    { status: 401, body: { error: 'invalid_client' } },
    { status: 400, body: { error: 'invalid_request' } },
    { status: 405 },
    { status: 415 },
  ] as Answer[])
    test(`${answer.status} ${answer.body?.error ?? ''} is a mistake in the set-up: reported, backed off up to 5 min, no logout`, () => {
      const { world, tab } = signedIn({ fault: () => answer, random: () => 0.9 });
      world.run(2 * HOUR);
      assert.equal(tab.named('signedOut').length, 0);
      assert.ok(tab.named('refreshError').every((event) => event.status == answer.status));
      const gaps = world.sends.slice(-5).map((send, i, all) => (i ? send.at - all[i - 1]!.at : 0));
      assert.ok(Math.max(...gaps) > 200 * SECOND && Math.max(...gaps) < 301 * SECOND, `${gaps}`);
    });

  for (const status of [408, 425, 429, 500, 502, 503, 504])
    test(`${status} backs off up to a minute and logs nobody out`, () => {
      const { world, tab } = signedIn({ fault: () => ({ status }), random: () => 0.9, grace: 0 });
      world.run(HOUR);
      assert.equal(tab.named('signedOut').length, 0);
      const gaps = world.sends.slice(-5).map((send, i, all) => (i ? send.at - all[i - 1]!.at : 0));
      assert.ok(Math.max(...gaps) > 50 * SECOND && Math.max(...gaps) < 61 * SECOND, `${gaps}`);
    });

  test('Retry-After is the floor, for every tab', () => {
    const { world } = signedIn({ fault: () => ({ status: 429, retryAfterMs: 20 * SECOND }), random: () => 0.3 });
    for (let i = 0; i < 4; i++) world.open();
    world.run(300 * SECOND);
    assert.ok(world.sends.length >= 2);
    world.sends.forEach((send, i, all) => i && assert.ok(send.at - all[i - 1]!.at >= 20 * SECOND));
  });

  test('no wait is longer than an hour, whatever the server says', () => {
    const { world, tab } = signedIn({ fault: () => ({ status: 503, retryAfterMs: 24 * HOUR }), random: () => 0.9 });
    world.run(10 * HOUR);
    assert.ok(world.sends.length >= 9, `${world.sends.length}`);
    for (const { retryAt, atWall } of tab.named('refreshError') as Record<string, number>[])
      assert.equal(retryAt! - atWall!, HOUR);
  });

  test('no attempt comes sooner than 250 ms after a failed one', () => {
    const { world } = signedIn({ fault: () => unavailable, random: () => 0 });
    world.run(260 * SECOND);
    assert.ok(world.sends.length > 10);
    world.sends.forEach((send, i, all) => i && assert.ok(send.at - all[i - 1]!.at >= 250));
  });

  test('five tabs make one series of attempts', () => {
    const { world } = signedIn({ fault: () => unavailable, random: () => 0.9, grace: 0 });
    for (let i = 0; i < 4; i++) world.open();
    world.run(600 * SECOND);
    const alone = signedIn({ fault: () => unavailable, random: () => 0.9, grace: 0 }).world;
    alone.run(600 * SECOND);
    assert.ok(world.sends.length <= alone.sends.length + 1, `${world.sends.length} for ${alone.sends.length}`);
  });

  test('a success ends the back-off', () => {
    const { world, tab } = signedIn({ fault: answers(unavailable, unavailable) });
    world.run(300 * SECOND);
    assert.equal(tab.known?.retry, undefined);
    assert.equal(tab.named('refreshError').length, 2);
    assert.equal(tab.named('refreshed').length, 2); // The login, and the renewal.
  });

  test('an answer that was lost is asked for again within half of the grace', () => {
    const { world, tab } = signedIn({ fault: answers('dropped'), random: () => 0.999, grace: 30 });
    world.run(300 * SECOND);
    assert.ok(world.sends[1]!.at - world.sends[0]!.at <= 15.1 * SECOND);
    assert.deepEqual(world.server.log, ['rotate', 'replay']);
    assert.equal(tab.named('signedOut').length, 0);
  });

  test('after many failures a lost answer is still asked for again within half of the grace', () => {
    const faults = [...Array.from({ length: 8 }, () => unavailable), 'dropped' as const];
    const { world } = signedIn({ fault: answers(...faults), random: () => 0.999, grace: 30, life: 3600 });
    world.run(2 * HOUR);
    assert.ok(world.sends[9]!.at - world.sends[8]!.at <= 15.1 * SECOND);
    assert.deepEqual(world.server.log.slice(0, 2), ['rotate', 'replay']);
  });

  test('an overloaded server after a lost answer does not stretch the repetition beyond the grace', () => {
    const faults = [...Array.from({ length: 6 }, () => unavailable), 'dropped' as const, unavailable, unavailable];
    const { world, tab } = signedIn({ fault: answers(...faults), random: () => 0.999, grace: 30, life: 3600 });
    world.run(2 * HOUR);
    assert.deepEqual(world.server.log.slice(0, 2), ['rotate', 'replay']);
    assert.equal(tab.named('signedOut').length, 0);
  });

  test('a server that does not rotate refresh tokens keeps its one', () => {
    const { world, tab } = signedIn({ fault: () => ({ status: 200, body: { access_token: 'x', expires_in: 60 } }) });
    world.run(400 * SECOND);
    assert.equal(tab.known?.refresh, 'r0');
    assert.equal(tab.named('signedOut').length, 0);
  });
});

describe('the network', () => {
  test('offline for ten minutes across the expiry: a probe a minute, and a renewal as soon as it is back', () => {
    const { world, tab } = signedIn();
    world.run(200 * SECOND);
    world.online = false;
    world.run(10 * MINUTE);
    assert.ok(world.sends.length >= 8 && world.sends.length <= 11, `${world.sends.length}`);
    world.online = true;
    tab.wake(true);
    const call = tab.get();
    world.run(SECOND);
    assert.equal(call.token, 'a2');
    assert.equal(tab.named('signedOut').length, 0);
  });

  test('the network coming back in five tabs makes one request, also when it fails', () => {
    const { world } = signedIn();
    for (let i = 0; i < 4; i++) world.open();
    world.run(200 * SECOND);
    world.online = false;
    world.run(10 * MINUTE);
    const before = world.sends.length;
    Object.assign(world.options, { fault: answers(unavailable) });
    world.online = true;
    for (const tab of world.tabs) tab.wake(true);
    world.run(200);
    assert.equal(world.sends.length - before, 1);
  });

  test('the network coming back does not shorten a wait that the server asked for', () => {
    const { world, tab } = signedIn({ fault: () => ({ status: 429, retryAfterMs: MINUTE }) });
    world.run(250 * SECOND);
    const before = world.sends.length;
    tab.wake(true);
    world.run(10 * SECOND);
    assert.equal(world.sends.length, before);
  });
});

for (const transport of ['header', 'cookie'])
  test(`the network goes away after the server has rotated: a page that is loaded later repeats in time, ${transport}`, () => {
    const { world, tab } = signedIn({ transport, fault: answers('dropped') });
    world.run(236.3 * SECOND);
    assert.deepEqual(world.server.log, ['rotate']);
    world.online = false;
    world.run(10 * SECOND);
    world.online = true;
    tab.crash();
    world.open();
    world.run(30 * SECOND);
    assert.deepEqual(world.server.log, ['rotate', 'replay']);
    assert.equal(world.record?.end, undefined);
  });

describe('a renewal of a token that is still fresh', () => {
  const NAP = 20 * SECOND;

  for (const [life, reloads] of [
    [300, true],
    [3600, true],
    [3600, false],
  ] as const)
    test(`is repeated within the grace if its page goes away meanwhile: ${life} s, ${reloads ? 'reloaded' : 'another tab is shown'}`, () => {
      const { world, tab } = signedIn({ life });
      const other = reloads ? undefined : world.open();
      world.run(MINUTE);
      // Seen by both tabs.
      tab.get(world.record!.access);
      world.run(MINUTE);
      if (reloads) world.offset += NAP;
      tab.get(reloads ? undefined : world.record!.access);
      world.run(30);
      assert.deepEqual(world.server.log, ['rotate', 'rotate']);
      tab.crash();
      (other ?? world.open()).wake();
      world.run(20 * SECOND);
      assert.equal(world.server.log.at(-1), 'replay');
      world.run(5 * MINUTE);
      assert.equal(world.server.count('reused'), 0);
    });
});

describe('clocks', () => {
  for (const hours of [1, -1])
    test(`a device clock that is ${hours} h off all the time changes nothing`, () => {
      const world = new World({ random: () => 0 });
      world.offset += hours * HOUR;
      world.login();
      world.run(239 * SECOND);
      assert.equal(world.sends.length, 0);
      world.run(2 * SECOND);
      assert.equal(world.sends.length, 1);
    });

  for (const hours of [1, -1, -24, 24])
    test(`a clock that jumps by ${hours} h: the token is still tried, and one renewal follows`, () => {
      const { world, tab } = signedIn();
      for (let i = 0; i < 4; i++) world.open();
      world.run(30 * SECOND);
      world.offset += hours * HOUR;
      assert.equal(tab.get().token, 'a1');
      world.run(MINUTE);
      assert.equal(world.sends.length, 1);
      world.run(2 * MINUTE);
      assert.equal(world.sends.length, 1);
    });

  test('a record from the future is renewed when the page opens', () => {
    const { world, tab } = signedIn();
    tab.crash();
    world.offset -= 24 * HOUR;
    const next = world.open();
    world.run(5);
    assert.equal(next.get().token, 'a1');
    world.run(SECOND);
    assert.equal(world.sends.length, 1);
    assert.equal(next.get().token, 'a2');
  });

  test('the lid closed for 2 h: with the network late the callers wait, and nobody is logged out', () => {
    const { world, tab } = signedIn();
    world.run(SECOND);
    world.now += 2 * HOUR; // No timer ran.
    world.online = false;
    tab.wake();
    const call = tab.get();
    world.run(3 * SECOND);
    assert.equal(call.token, undefined);
    world.online = true;
    tab.wake(true);
    world.run(SECOND);
    assert.equal(call.token, 'a2');
  });

  test('asleep for 2 h just after a renewal, on a device whose monotonic clock sleeps too: renewed at once', () => {
    const { world, tab } = signedIn();
    world.run(2 * SECOND);
    world.offset += 2 * HOUR;
    tab.wake();
    world.run(200);
    assert.equal(world.sends.length, 1);
  });

  test('an old token set by the application is renewed without delay', () => {
    const world = new World();
    const tab = world.open();
    tab.set(world.server.issue(0), world.clock.wall - HOUR);
    world.run(10);
    const call = tab.get();
    world.run(1.2 * SECOND);
    assert.equal(call.token, 'a2');
  });

  test('a back-off that lies in the future after the clock was set back does not hold', () => {
    const { world } = signedIn({ fault: answers({ status: 503, retryAfterMs: HOUR }) });
    world.run(250 * SECOND);
    assert.equal(world.sends.length, 1);
    world.offset -= 24 * HOUR;
    world.run(MINUTE);
    assert.equal(world.sends.length, 2);
  });
});

describe('tabs', () => {
  test('a tab that finds a new generation under the lock adopts it and sends nothing', () => {
    const { world, tab } = signedIn();
    const other = world.open();
    world.run(SECOND);
    world.record = { ...world.record!, gen: world.record!.gen + 1, access: 'b1' };
    const call = tab.get('a1');
    world.run(SECOND);
    assert.equal(call.token, 'b1');
    assert.equal(world.sends.length, 0);
    assert.ok(other);
  });

  test('a tombstone under the lock signs the tab out', () => {
    const { world, tab } = signedIn();
    world.record = { v: 1, gen: world.record!.gen + 1, lifeMs: 0, issuedAtWall: 1, end: 'logout' };
    const call = tab.get('a1');
    world.run(SECOND);
    assert.deepEqual(call.error, { name: 'LoginRequired', reason: 'logout' });
    assert.deepEqual(tab.named('signedOut'), [{ reason: 'logout' }]);
    assert.equal(world.sends.length, 0);
  });

  test('a tab whose holder hangs goes on alone after 8 s', () => {
    const { world, tab } = signedIn();
    const hung = world.open();
    world.run(SECOND);
    hung.get('a1');
    hung.alive = false; // Holds the lock, and does nothing any more.
    world.run(10);
    const call = tab.get('a1');
    world.run(7.9 * SECOND);
    assert.equal(call.token, undefined);
    world.run(SECOND);
    assert.equal(call.token, 'a2');
  });

  test('the tab that holds the lock crashes after sending: the next repeats within the grace', () => {
    const { world, tab } = signedIn({ latency: () => 300 });
    const other = world.open();
    world.run(SECOND);
    const call = other.get();
    tab.get('a1');
    world.run(400);
    assert.equal(world.sends.length, 1);
    tab.crash();
    const next = other.get('a1');
    world.run(2 * SECOND);
    assert.equal(next.token, 'a3'); // The first answer, with a2, reached nobody.
    assert.ok(call.token);
    assert.deepEqual(world.server.log, ['rotate', 'replay']);
  });

  test('without locks a second tab leaves an unanswered refresh alone, and repeats it within half of the grace', () => {
    const { world, tab } = signedIn({ locks: false, grace: 10, latency: () => 300 });
    const other = world.open();
    world.run(SECOND);
    tab.get('a1');
    world.run(400);
    tab.crash();
    const call = other.get('a1');
    world.run(4 * SECOND);
    assert.equal(world.sends.length, 1);
    world.run(2 * SECOND);
    assert.equal(call.token, 'a3');
    assert.equal(world.sends[1]!.at - world.sends[0]!.at <= 5.1 * SECOND, true);
  });

  test('a login while a renewal is in flight ends the older session, before and after that is answered', () => {
    const { world, tab } = signedIn({ latency: () => 500 });
    world.run(SECOND);
    tab.get('a1');
    world.run(300);
    world.server.session = 's2';
    tab.set(world.server.issue(world.now), world.clock.wall);
    world.server.session = 's1';
    world.run(3 * SECOND);
    assert.equal(tab.known?.session, 's2');
    assert.deepEqual(world.revoked, ['r0', 'r1']);
  });

  test('a commit that the same session overtook is discarded and not revoked', () => {
    const { world, tab } = signedIn({ latency: () => 500 });
    world.run(SECOND);
    tab.get('a1');
    world.run(300);
    world.record = { ...world.record!, gen: world.record!.gen + 1, access: 'b' };
    world.run(3 * SECOND);
    assert.equal(tab.get().token, 'b');
    assert.deepEqual(world.revoked, []);
  });

  test('a logout in one tab while the refresh of another is in flight: nothing comes back to life', () => {
    const { world, tab } = signedIn({ latency: () => 500 });
    const other = world.open();
    world.run(SECOND);
    other.get('a1');
    world.run(300);
    tab.end('logout');
    world.run(5 * SECOND);
    for (const each of [tab, other]) {
      assert.deepEqual(each.named('signedOut'), [{ reason: 'logout' }]);
      assert.deepEqual(each.get().error, { name: 'LoginRequired', reason: 'logout' });
      assert.equal(each.timer, Infinity);
    }
    assert.equal(world.record?.end, 'logout');
    assert.equal(world.record?.access, undefined);
    assert.deepEqual(world.revoked, ['r1']);
  });

  test('a logout raises gen, is told once, and is not passed on by those who hear it', () => {
    const { world, tab } = signedIn();
    const others = [world.open(), world.open(), world.open()];
    world.run(SECOND);
    const { gen } = world.record!;
    tab.end('logout');
    world.run(5 * SECOND);
    assert.equal(world.record!.gen, gen + 1);
    for (const other of others) assert.ok(!other.effects.some((effect) => effect[0] == 'tell'));
    tab.end('logout');
    world.run(SECOND);
    assert.equal(world.record!.gen, gen + 1);
  });

  test('after a refusal new tokens bring every tab back', () => {
    const { world, tab } = signedIn();
    const other = world.open();
    world.server.ended = 'expired';
    world.run(300 * SECOND);
    world.server.ended = undefined;
    world.login();
    world.run(SECOND);
    assert.equal(tab.get().token, other.get().token);
    assert.ok(other.get().token);
  });

  test('a record that somebody deleted signs the tab out with the reason storage', () => {
    const { world, tab } = signedIn();
    world.record = undefined;
    world.run(2 * SECOND);
    tab.wake();
    world.run(SECOND);
    assert.deepEqual(tab.named('signedOut'), [{ reason: 'storage' }]);
  });
});

describe('the transport cookie', () => {
  test('no refresh token is kept, even if the server sends one', () => {
    const { world } = signedIn({ transport: 'cookie' });
    assert.equal(world.record?.refresh, undefined);
    world.run(250 * SECOND);
    assert.equal(world.sends.length, 1);
    assert.equal(world.record?.refresh, undefined);
    assert.equal(world.record?.access, 'a2');
  });

  test('a page without a record asks once whether the cookie is still good', () => {
    const { world, tab } = signedIn({ transport: 'cookie' });
    tab.crash();
    world.record = undefined;
    const next = world.open();
    const calls = [next.get(), next.get()];
    world.run(SECOND);
    assert.deepEqual(
      calls.map((call) => call.token),
      ['a2', 'a2'],
    );
    assert.equal(world.sends.length, 1);
  });

  for (const status of [404, 503])
    test(`a page without a record whose question met ${status} does not ask again by itself`, () => {
      const world = new World({ transport: 'cookie', fault: () => ({ status }) });
      const tab = world.open();
      world.run(SECOND);
      tab.get();
      world.run(11 * SECOND);
      const { length } = world.sends;
      assert.ok(length > 0);
      world.open();
      world.run(HOUR);
      assert.equal(world.sends.length, length);
      assert.equal(tab.timer, Infinity);
      // The next caller asks.
      tab.get();
      world.run(11 * SECOND);
      assert.ok(world.sends.length > length);
    });

  test('a page without a record repeats a question whose answer was lost, although nobody waits', () => {
    const world = new World({ transport: 'cookie', fault: answers('dropped') });
    world.cookie = 'r0';
    world.open().get();
    world.run(SECOND);
    world.tabs[0]!.crash();
    world.open();
    world.run(20 * SECOND);
    assert.deepEqual(world.server.log, ['rotate', 'replay']);
  });

  test('a page without a record that waits for its turn does not renew what a login brings meanwhile', () => {
    const world = new World({ transport: 'cookie' });
    const tab = world.open();
    world.run(SECOND);
    // The tab has asked for the lock; before that is granted another one logs in.
    tab.get();
    const claim = tab.effects.find((effect) => effect[0] == 'lock')![1];
    const patch = { access: 'a1', lifeMs: 3e5 };
    const record = apply({ kind: 'set', patch }, undefined, world.clock);
    assert.equal(apply({ ...claim, locked: true }, record, world.clock), undefined);
    assert.ok(apply({ ...claim, locked: true }, undefined, world.clock));
  });

  test('a page without a record does not ask by itself', () => {
    const world = new World({ transport: 'cookie' });
    world.open();
    world.run(HOUR);
    assert.equal(world.sends.length, 0);
  });

  test('a cookie that is gone requires a login, and is asked for once', () => {
    const missing: Answer = { status: 400, body: { error: 'invalid_request' } };
    const world = new World({ transport: 'cookie', fault: () => missing });
    const tab = world.open();
    const call = tab.get();
    world.run(SECOND);
    assert.deepEqual(call.error, { name: 'LoginRequired', reason: 'invalid_request' });
    tab.get();
    world.open().get();
    world.run(HOUR);
    assert.equal(world.sends.length, 1);
    assert.equal(tab.named('signedOut').length, 0, 'nobody was signed in');
  });
});

describe('the transport session', () => {
  test('nothing is ever renewed', () => {
    const world = new World({ transport: 'session' });
    const tab = world.open();
    tab.set({ session_id: 's1' }, world.clock.wall);
    world.run(24 * HOUR);
    assert.equal(world.sends.length, 0);
    assert.equal(tab.timer, Infinity);
  });

  test('its end reaches every tab once', () => {
    const world = new World({ transport: 'session' });
    const [tab, other] = [world.open(), world.open()];
    tab.set({ session_id: 's1' }, world.clock.wall);
    world.run(2 * SECOND);
    tab.end('expired', world.record!.gen);
    world.run(2 * SECOND);
    for (const each of [tab, other]) assert.deepEqual(each.named('signedOut'), [{ reason: 'expired' }]);
  });
});

describe('the record', () => {
  test('what a later version keeps beside the tokens survives a renewal of this one', () => {
    const { world } = signedIn();
    world.record = { ...world.record!, v: 2, later: 'kept' } as SessionRecord;
    world.run(250 * SECOND);
    assert.equal(world.sends.length, 1);
    assert.equal((world.record as { later?: string }).later, 'kept');
    assert.equal(world.record?.v, 2);
  });

  for (const nonsense of [null, 7, 'x', [], {}, { gen: 'x' }, { gen: 1 }, { gen: 1, lifeMs: NaN, issuedAtWall: 0 }])
    test(`nonsense in its place (${JSON.stringify(nonsense)}) is no session, and a login replaces it`, () => {
      const world = new World();
      world.record = nonsense as never;
      const tab = world.open();
      world.run(100);
      assert.equal(tab.get().error?.name, 'LoginRequired');
      world.login();
      assert.ok(tab.get().token);
    });

  test('gen grows by one with each commit', () => {
    const { world } = signedIn({ life: 10 });
    const { gen } = world.record!;
    const rotations = world.sends.length;
    world.run(HOUR);
    assert.equal(world.record!.gen - gen, world.sends.length - rotations);
  });
});
