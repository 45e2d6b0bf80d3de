/**
 * A device with tabs, a network and a server, in virtual time: what the shell does, done by a queue of events.
 *
 * The server's rotation is the decision table of the design: one rotation a grace window, replay within it, and an
 * older token after it ends the session.
 */
import { type Answer, type Machine, type Shell, type TokenBody, accept, machine } from '../src/machine.js';
import { type Clock, type SessionRecord, apply, patience, sound } from '../src/record.js';

/** A seeded generator (mulberry32), so that a failing run can be had again. */
export const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

export interface WorldOptions {
  readonly transport?: string;
  readonly locks?: boolean;
  /** Seconds. */
  readonly life?: number;
  readonly grace?: number;
  readonly tolerance?: number;
  readonly random?: () => number;
  /** What happens to a request: lost before the server, lost after it, or a fixed answer instead of the server's. */
  readonly fault?: (world: World) => 'lost' | 'dropped' | Answer | undefined;
  /** Milliseconds of one way. */
  readonly latency?: () => number;
}

export class Server {
  generation = 0;
  rotatedAt = -Infinity;
  /** A step-up made the current generation: then only a step-up is answered with it again. */
  stepped = false;
  ended: string | undefined;
  serial = 0;
  readonly log: string[] = [];
  /** Access tokens and when they end, by the server's clock. */
  readonly access = new Map<string, number>();
  session = 's1';

  constructor(
    readonly life: number,
    readonly grace: number,
    readonly tolerance: number,
    /** Without a session id, as other token endpoints answer. */
    readonly plain = false,
  ) {}

  issue(now: number): TokenBody {
    const token = `a${++this.serial}`;
    this.access.set(token, now + this.life * 1e3);
    return {
      access_token: token,
      refresh_token: `r${this.generation}`,
      expires_in: this.life,
      ...(this.plain ? {} : { session_id: this.session, refresh_grace: this.grace, refresh_expires_in: 2592000 }),
    };
  }

  refresh(token: string | undefined, now: number): Answer {
    const say = (word: string) => (this.log.push(word), word);
    const refuse = (reason: string): Answer => ({ status: 400, body: { error: 'invalid_grant', reason: say(reason) } });
    const generation = Number(token?.slice(1));
    const age = now - this.rotatedAt;
    const window = this.grace ? (this.grace + this.tolerance) * 1e3 : -1;
    if (this.ended) return refuse(this.ended);
    if (!/^r\d+$/.test(token ?? '')) return refuse('malformed');
    if (generation == this.generation) {
      if (generation && age <= window) say('replay');
      else {
        say('rotate');
        this.generation++;
        this.rotatedAt = now;
        this.stepped = false;
      }
    } else if (this.stepped && generation == this.generation - 1 && age <= window) return refuse('revoked');
    else if (generation == this.generation - 1 && age <= window) say('replay');
    else {
      this.ended = 'revoked';
      return refuse('reused');
    }
    return { status: 200, body: this.issue(now) };
  }

  stepUp(token: string | undefined, now: number): TokenBody {
    const generation = Number(token?.slice(1));
    if (this.stepped && generation == this.generation - 1) this.log.push('replay');
    else {
      this.generation++;
      this.rotatedAt = now;
      this.stepped = true;
    }
    return this.issue(now);
  }

  count(word: string): number {
    return this.log.filter((said) => said == word).length;
  }
}

export interface Call {
  readonly at: number;
  token?: string;
  error?: { name: string; reason?: string; retryAt?: number };
  settledAt?: number;
}

/** What a machine wants done. */
type Doing = Exclude<keyof Shell, 'clock' | 'chance'>;
export type Effect = { [Name in Doing]: readonly [Name, ...Parameters<Shell[Name]>] }[Doing];

/** A shell that hands each effect to `use`. */
export const shell = (clock: () => Clock, chance: () => number, use: (effect: Effect) => void): Shell => {
  const names = ['ask', 'drop', 'emit', 'lock', 'release', 'store', 'tell', 'timer'] satisfies Doing[];
  const effects = names.map((name) => [name, (...args: unknown[]) => use([name, ...args] as never)]);
  return { clock, chance, ...Object.fromEntries(effects) };
};

/** Who holds the lock, or waits for it. */
interface Holder {
  readonly alive: boolean;
  turn: number;
}

export class Tab {
  /** The record as this tab knows it. */
  known: SessionRecord | undefined;
  activity: { readonly busy?: boolean } = {};
  alive = true;
  /** Monotonic time of the next tick. */
  timer = Infinity;
  turn = 0;
  stored = 0;
  readonly events: [name: string, detail: Record<string, unknown>][] = [];
  readonly effects: Effect[] = [];
  private readonly machine: Machine;

  constructor(
    readonly world: World,
    readonly id: number,
  ) {
    this.machine = machine(
      world.transport,
      shell(
        () => world.clock,
        world.random,
        (effect) => {
          this.effects.push(effect);
          world.perform(this, effect);
        },
      ),
    );
    this.wake();
  }

  /** A refresh of this tab is on its way. */
  get busy(): boolean {
    return !!this.activity.busy;
  }

  /** Tells the machine something, unless the tab is gone. */
  tell(something: (machine: Machine) => void): void {
    if (this.alive) something(this.machine);
  }

  wake(online?: boolean): void {
    this.tell((machine) => machine.wake(online));
  }

  get(rejected?: string): Call {
    const caller: Call = { at: this.world.now };
    this.tell((machine) =>
      machine.want(
        (token) => Object.assign(caller, { token, settledAt: this.world.now }),
        (error) => Object.assign(caller, { error, settledAt: this.world.now }),
        rejected,
      ),
    );
    return caller;
  }

  /** The application has a token response, from a request sent at the wall time `sent`. */
  set(body: TokenBody, sent: number): void {
    this.world.perform(this, ['store', { kind: 'set', patch: accept(this.world.transport, body, sent) }]);
  }

  /** A step-up, as the shell does it, whose answers take so many milliseconds each. */
  stepUp(...delays: number[]): void {
    // Not the tab itself, whose renewals release only their own lock.
    const holder: Holder = { alive: true, turn: 0 };
    this.world.locked(holder, () => {
      const begun = this.world.clock.wall;
      const mark = () => this.world.perform(this, ['store', { kind: 'mark' }]);
      mark();
      this.world.after(10, () => {
        const { record, transport, server } = this.world;
        const limit = (patience(record) * 14) / 15;
        const ask = (late: () => void) => {
          const delay = delays.shift() ?? 40;
          this.world.after(20, () => {
            const body = server.stepUp(record?.refresh, this.world.now);
            if (delay >= limit) return this.world.after(limit - 20, late);
            this.world.after(delay - 20, () => {
              this.world.cookie = body.refresh_token;
              this.world.perform(this, ['store', { kind: 'commit', patch: accept(transport, body, begun) }]);
              // Once it is stored.
              this.world.after(10, () => this.world.unlock(holder));
            });
          });
        };
        ask(() => {
          mark();
          this.world.after(Math.min(1e3, limit / 4), () => {
            mark();
            this.world.after(10, () => ask(() => this.world.unlock(holder)));
          });
        });
      });
    });
  }

  /** The session ends: by a logout or, at generation `gen`, because a resource server said so. */
  end(reason: string, gen?: number): void {
    this.world.perform(this, ['store', { kind: 'end', gen, patch: { end: reason } }]);
  }

  /** The tab is gone from one moment to the next; its requests may still arrive. */
  crash(): void {
    this.alive = false;
    this.world.unlock(this);
  }

  named(name: string): Record<string, unknown>[] {
    return this.events.filter(([heard]) => heard == name).map(([, detail]) => detail);
  }
}

export class World {
  /** Monotonic and server time, in milliseconds. */
  now = 0;
  /** Wall time less monotonic time. */
  offset = 1.7e12;
  record: SessionRecord | undefined;
  online = true;
  readonly tabs: Tab[] = [];
  readonly sends: { at: number; tab: number }[] = [];
  readonly revoked: string[] = [];
  readonly server: Server;
  readonly random: () => number;
  readonly transport: string;
  cookie: string | undefined;
  private queue: { at: number; order: number; run: () => void }[] = [];
  private order = 0;
  private holder: Holder | undefined;
  private waiting: { tab: Holder; grant: () => void }[] = [];

  constructor(readonly options: WorldOptions = {}) {
    this.transport = options.transport ?? 'header';
    this.random = options.random ?? (() => 0.5);
    this.server = new Server(options.life ?? 300, options.grace ?? 30, options.tolerance ?? 5);
  }

  get clock(): Clock {
    return { wall: Math.floor(this.now + this.offset), mono: this.now };
  }

  open(): Tab {
    const tab = new Tab(this, this.tabs.length);
    this.tabs.push(tab);
    return tab;
  }

  /** A tab with a fresh login, and everything settled. */
  login(): Tab {
    const tab = this.tabs[0] ?? this.open();
    tab.set(this.server.issue(this.now), this.clock.wall);
    this.cookie = `r${this.server.generation}`;
    this.run(100);
    return tab;
  }

  after(ms: number, run: () => void): void {
    this.queue.push({ at: this.now + ms, order: this.order++, run });
  }

  /** Lets so many milliseconds pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; ; steps++) {
      if (steps > 200000) throw new Error('no end: something asks again and again');
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.queue[0];
      const first = this.tabs.filter((tab) => tab.alive).sort((a, b) => a.timer - b.timer)[0];
      if (first && first.timer <= end && first.timer <= (next?.at ?? Infinity)) {
        this.now = Math.max(this.now, first.timer);
        first.timer = Infinity;
        first.tell((machine) => machine.tick());
      } else if (next && next.at <= end) {
        this.queue.shift();
        this.now = Math.max(this.now, next.at);
        next.run();
      } else break;
    }
    this.now = end;
  }

  unlock(tab: Holder): void {
    tab.turn++;
    if (this.holder != tab) return;
    this.holder = undefined;
    this.after(1, () => this.holder ?? this.waiting.shift()?.grant());
  }

  /** Calls `use` when the tab has the lock or has waited for 8 s. */
  locked(tab: Holder, use: (locked: boolean) => void): void {
    if (this.options.locks === false) return this.after(0, () => use(false));
    const turn = ++tab.turn;
    const request = {
      tab,
      grant: () => {
        if (!tab.alive || tab.turn != turn) return void this.waiting.shift()?.grant();
        this.holder = tab;
        use(true);
      },
    };
    if (this.holder) this.waiting.push(request);
    else request.grant();
    this.after(8e3, () => {
      const index = this.waiting.indexOf(request);
      if (index < 0) return;
      this.waiting.splice(index, 1);
      use(false);
    });
  }

  perform(tab: Tab, effect: Effect): void {
    const latency = this.options.latency ?? (() => 20);
    switch (effect[0]) {
      case 'store': {
        const [, write, delay = 0] = effect;
        // In order within a tab, as the shell does it.
        const start = Math.max(tab.stored, this.now) + delay + this.random() * 4;
        tab.stored = start + this.random() * 2;
        this.after(start - this.now, () => {
          if (!tab.alive) return;
          const found = sound(this.record);
          const next = apply(write, found, this.clock);
          if (next) this.record = structuredClone(next);
          const record = sound(structuredClone(this.record));
          this.after(tab.stored - this.now, () => {
            tab.known = record;
            tab.tell((machine) => machine.stored({ write, found, record, won: !!next }));
          });
        });
        return;
      }
      case 'lock':
        return this.locked(tab, (locked) => this.perform(tab, ['store', { ...effect[1], locked }]));
      case 'release':
        return this.unlock(tab);
      case 'ask': {
        const token = this.transport == 'cookie' ? this.cookie : effect[1];
        this.sends.push({ at: this.now, tab: tab.id });
        let answered = false;
        const answer = (answer: Answer) => {
          if (answered) return;
          answered = true;
          tab.tell((machine) => machine.answer(answer));
        };
        const { online } = this;
        this.after(7e3, () => answer({ status: 0, offline: !online }));
        if (!online) return this.after(1, () => answer({ status: 0, offline: true }));
        const fault = this.options.fault?.(this);
        if (fault == 'lost') return;
        this.after(latency(), () => {
          const said = typeof fault == 'object' ? fault : this.server.refresh(token, this.now);
          if (fault == 'dropped') return;
          this.after(latency(), () => {
            if (said.body?.refresh_token) this.cookie = said.body.refresh_token;
            answer(said);
          });
        });
        return;
      }
      case 'drop':
        this.revoked.push(effect[1]);
        return;
      case 'tell':
        for (const other of this.tabs)
          if (other != tab) this.after(this.random() * 3, () => other.wake());
        return;
      case 'timer':
        tab.timer = this.now + effect[1];
        return;
      case 'emit':
        if (effect[1] == 'activity') tab.activity = effect[2];
        else tab.events.push([effect[1], effect[2] as Record<string, unknown>]);
    }
  }
}
