/**
 * Random walks: payments between four modules, struck anywhere by lost, repeated, delayed, altered messages, cut cables and
 * power cuts, with meetings and restarts between them. A small model follows every payment by its records, in the rules of
 * docs/PROTOCOLS.md, section 5, and must agree at every step; at the end all meet, and nothing is open.
 *
 *     payer   none -> offered -> committed -> none        payee   none -> in doubt -> settled -> none
 *                     offered -> none (aborted)                           in doubt -> none (aborted, or settled and forgotten)
 */

import { beforeAll, expect, test, vi } from "vitest";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import type { Transfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { toHex } from "../../host/codec/bytes.js";
import type { Money } from "../../host/units.js";
import { parseMoney } from "../../host/units.js";
import { MESSAGE_FAULTS, type Strike } from "../support/faults.js";
import { bank, committed, FaultStage, MODULES, type ModuleName, serve } from "../support/faults-scenarios.js";
import { type ModuleDevice, PIN } from "../support/modules.js";
import { generator, TEARS, type Tear, tornFate } from "../support/store-driver.js";

const WALKS = 40;
const STEPS = 12;
const WORD_BYTES = 4;
const UNIT = parseMoney("0.01 USD").unit;
/** Who begins, who answers: as the matrix of roles allows. */
const PAIRS: readonly (readonly [ModuleName, ModuleName])[] = [
  ["alice", "bob"],
  ["bob", "alice"],
  ["alice", "teller"],
  ["bob", "teller"],
  ["teller", "generator"],
];

type State = "offered" | "committed" | "in doubt" | "settled";
const FOLLOWS: Record<State, readonly (State | "none")[]> = {
  offered: ["offered", "committed", "none"],
  committed: ["committed", "none"],
  "in doubt": ["in doubt", "settled", "none"],
  settled: ["settled", "none"],
};

/** Records of one module, by pay-id, as they were seen last; what is gone never comes back. */
class ModuleModel {
  readonly open = new Map<string, { state: State; peer: string }>();
  readonly #over = new Set<string>();

  async observe(module: ModuleDevice): Promise<void> {
    const seen = await module.element.pending();
    const states = new Map(seen.map((entry) => [toHex(entry.payId), entry]));
    for (const [payId, { state }] of this.open) {
      const now = states.get(payId)?.state ?? "none";
      expect(FOLLOWS[state], `${module.device.name}: from ${state} to ${now}`).toContain(now);
      if (now === "none") {
        this.open.delete(payId);
        this.#over.add(payId);
      }
    }
    for (const [payId, { state, peer }] of states) {
      expect(this.#over.has(payId), `${module.device.name}: a payment that was over is ${state}`).toBe(false);
      this.open.set(payId, { state, peer: toHex(peer) });
    }
  }

  /** Whether the module must refuse a new payment with this peer. */
  isOpenWith(peer: string): boolean {
    const open = [...this.open.values()].filter((entry) => entry.peer === peer);
    return open.some(({ state }) => state === "in doubt" || state === "committed");
  }
}

class Walk {
  readonly #models = new Map<ModuleName, ModuleModel>(MODULES.map((name) => [name, new ModuleModel()]));
  /** Payments that went through without and in spite of a fault, and that left something open. */
  readonly counts = { clean: 0, refused: 0, open: 0, cuts: 0 };
  readonly #next: () => number;

  constructor(
    private readonly stage: FaultStage,
    seed: number,
  ) {
    this.#next = generator(seed);
    stage.reset("payment");
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      const pair = this.#pick(PAIRS);
      const dice = this.#next() % 10;
      if (dice < 6) await this.#pay(pair, dice < 4);
      else if (dice < 8) await this.#meet(pair, dice === 6 ? this.#strike(4) : undefined);
      else await this.#restart(this.#pick(MODULES));
      await this.#observe();
    }
    for (const pair of PAIRS) await this.#meet(pair);
    await this.#observe();
    for (const name of MODULES) expect(await this.stage.module(name).element.pending(), name).toEqual([]);
    for (const [a, b] of PAIRS) {
      await this.#agree(this.stage.module(a), this.stage.module(b));
      await this.#agree(this.stage.module(b), this.stage.module(a));
    }
  }

  async #pay([a, b]: readonly [ModuleName, ModuleName], isStruck: boolean): Promise<void> {
    const [initiator, responder] = [this.stage.module(a), this.stage.module(b)];
    const money = { unit: UNIT, amount: BigInt(1 + (this.#next() % 1500)) };
    const link = this.stage.link(isStruck && this.#next() % 3 > 0 ? this.#strike(8) : undefined);
    const cut = isStruck && this.#next() % 3 === 0 ? this.#cut(this.#pick([initiator, responder])) : undefined;
    const mustRefuse =
      this.#model(a).isOpenWith(responder.element.idHex) || this.#model(b).isOpenWith(initiator.element.idHex);
    const work = this.#applications(a, b, initiator, responder, money, link.ends);
    const results = await this.stage.together(link, work);
    if (mustRefuse) {
      for (const result of results) expect(result.status, "a payment beside an open one").toBe("rejected");
      this.counts.refused += 1;
    }
    if (results.every(({ status }) => status === "fulfilled")) this.counts.clean += 1;
    if (cut?.isOff) await this.#restart(cut.name);
  }

  #applications(
    a: ModuleName,
    b: ModuleName,
    initiator: ModuleDevice,
    responder: ModuleDevice,
    money: Money,
    [first, second]: readonly [Parameters<typeof bank>[0], Parameters<typeof bank>[0]],
  ): [Promise<Transfer>, Promise<Transfer>] {
    if (a !== "teller" && b !== "teller") {
      const receiving = receive(responder.device, second);
      return [pay(initiator.device, first, money), receiving];
    }
    const serving = serve(responder.device, second, b === "generator" ? [money.amount] : undefined);
    const deposits = b === "teller" && this.#next() % 2 === 0;
    if (deposits) return [pay(initiator.device, first, money, { memo: "account" }), serving];
    return [withdraw(initiator.device, bank(first), "account", money), serving];
  }

  /** Arms a cut at one of the next operations of a chip; `isOff` when it has come. */
  #cut(module: ModuleDevice): { name: ModuleName; readonly isOff: boolean } {
    const { chip } = module.simulated;
    let left = this.#next() % 24;
    const tear = this.#pick(TEARS) as Tear;
    chip.onOperation = (operation) => {
      left -= 1;
      if (left !== -1) return undefined;
      this.counts.cuts += 1;
      return tornFate(tear, operation, this.#next, WORD_BYTES);
    };
    const { simulated, device } = module;
    return {
      name: device.name as ModuleName,
      get isOff() {
        chip.onOperation = undefined;
        return !simulated.isOn;
      },
    };
  }

  async #meet([a, b]: readonly [ModuleName, ModuleName], strike?: Strike): Promise<void> {
    await this.stage.meet({ initiator: this.stage.module(a), responder: this.stage.module(b) }, strike);
  }

  async #restart(name: ModuleName): Promise<void> {
    const { simulated, device } = this.stage.module(name);
    simulated.chip.onOperation = undefined;
    await device.restart(PIN);
    this.stage.conservation.verify();
  }

  async #observe(): Promise<void> {
    this.stage.conservation.verify();
    for (const name of MODULES) await this.#model(name).observe(this.stage.module(name));
    for (const name of MODULES) this.counts.open += this.#model(name).open.size;
    for (const name of MODULES) this.#judgeTogether(name);
  }

  /** A payer that has committed has a payee in doubt or settled; a payee that has settled had a payer that committed. */
  #judgeTogether(name: ModuleName): void {
    const id = this.stage.module(name).element.idHex;
    for (const [payId, { state, peer }] of this.#model(name).open) {
      const other = MODULES.find((candidate) => this.stage.module(candidate).element.idHex === peer) as ModuleName;
      const theirs = this.#model(other).open.get(payId);
      if (theirs !== undefined) expect(theirs.peer).toBe(id);
      if (state === "settled" && theirs !== undefined) expect(theirs.state).toBe("committed");
      if (state === "offered") expect([undefined, "in doubt"]).toContain(theirs?.state);
    }
  }

  async #agree(payer: ModuleDevice, payee: ModuleDevice): Promise<void> {
    const sent = await committed(payer, LOG_SENT, payee);
    expect((await committed(payee, LOG_RECEIVED, payer)).sort(), "payments both know").toEqual(sent.sort());
    const voided = (await payee.element.log()).filter((entry) => entry.outcome !== OUTCOME_COMMITTED);
    for (const { payId } of voided) expect(sent).not.toContain(toHex(payId));
  }

  #strike(messages: number): Strike {
    const direction = (this.#next() % 2) as 0 | 1;
    return { direction, index: this.#next() % messages, fault: this.#pick(MESSAGE_FAULTS) };
  }

  #model(name: ModuleName): ModuleModel {
    return this.#models.get(name) as ModuleModel;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#next() % items.length] as Item;
  }
}

// Many runs a test: seconds on an idle core, more on a busy one.
vi.setConfig({ testTimeout: 120_000 });

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.create("commit model");
});

test("walks of payments, faults, meetings and restarts", async () => {
  const total = { clean: 0, refused: 0, open: 0, cuts: 0 };
  for (let seed = 1; seed <= WALKS; seed += 1) {
    const walk = new Walk(stage, seed * 7919);
    try {
      await walk.run();
    } catch (error) {
      throw new Error(`walk ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    for (const key of ["clean", "refused", "open", "cuts"] as const) total[key] += walk.counts[key];
  }
  // The walks must have been where they are meant to go.
  expect(total.clean).toBeGreaterThan(2 * WALKS);
  expect(total.refused).toBeGreaterThan(WALKS / 4);
  expect(total.open).toBeGreaterThan(WALKS);
  expect(total.cuts).toBeGreaterThan(WALKS / 4);
});
