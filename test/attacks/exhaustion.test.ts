/**
 * Somebody fills whatever has a limit: sessions that are begun and never finished, payments left open, log, tickets, notes,
 * the memory of what was received. What does not fit is refused for a reason that says so, before anything is kept; nothing
 * that is stored gets lost; and its owner can still end what is open, and pay.
 */

import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PURPOSE_OUTCOME, ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { HOPS_MAX, LOG_ENTRIES_MAX, PENDING_MAX, TICKETS_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as r from "../../firmware/protocol/reasons.js";
import type { SimulatedChip } from "../../host/chips.js";
import { encodeNote } from "../../host/codec/note.js";
import { componentFields } from "../../host/codec/ticket.js";
import { command } from "../../host/commands.js";
import { type AgentDevice, AgentWorld, CARD } from "../support/agents.js";
import { abortReason, type CheatingModule, CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { NoteCheats, usd, VALUE } from "../support/cheating-notes.js";
import { type ModuleDevice, PIN } from "../support/modules.js";
import { give } from "../support/moments.js";
import { balance, names, noticeOf, trade } from "../support/purchase.js";
import { reasonOf } from "../support/refusals.js";
import { firstHandshake } from "../support/strangers.js";

const HALF_OPEN = 1000;

/** A stranger says the first word and is never heard of again; the host gives up and listens anew. What was written. */
function halfOpen(chip: SimulatedChip, listen: Uint8Array): number {
  let writes = 0;
  for (let i = 0; i < HALF_OPEN; i += 1) {
    expect(give(chip, listen).status & 0xff00).not.toBe(0x6900);
    const answer = give(chip, firstHandshake(m.ADDRESS_PEER));
    expect(answer.envelopes.map((each) => [each[0], each[1]])).toEqual([[m.ADDRESS_PEER, m.KIND_HANDSHAKE]]);
    // A second one meanwhile is not let in, and does not disturb the first.
    if (i % 10 === 0) expect(give(chip, firstHandshake(m.ADDRESS_PEER)).writes).toBe(0);
    writes += answer.writes + give(chip, command.cancel()).writes;
  }
  return writes;
}

describe("a module", () => {
  let cheats: NoteCheats;
  let alice: ModuleDevice;
  let rich: Uint8Array;
  const key = new Uint8Array(32).fill(6);

  beforeAll(async () => {
    cheats = await NoteCheats.create("exhaustion");
    ({ alice } = cheats);
    const { parts, key: shown } = cheats.offered(alice);
    await cheats.takes(alice, parts, VALUE, shown);
    rich = alice.simulated.snapshot();
  });
  beforeEach(() => {
    cheats.restore();
    alice.simulated.restore(rich);
  });

  it("that a thousand strangers begin a session with writes nothing, and pays whoever comes then", async () => {
    const before = await cheats.state(alice);
    const store = await alice.element.store();
    expect(halfOpen(alice, command.listen())).toBe(0);
    expect(await cheats.state(alice)).toEqual(before);
    expect(await alice.element.store()).toEqual(store);
    await cheats.spendAll(alice, cheats.friend);
  });

  it("with whom a hundred certified modules open a session and leave is as it was, and pays whoever comes then", async () => {
    const before = await cheats.state(alice);
    for (let i = 0; i < 100; i += 1) {
      await deliver(alice.element, command.listen());
      const opened = await new CheatingSession(cheats.cheat, alice.element, true).initiate();
      expect(noticeNames(opened)).toEqual(["session"]);
      await deliver(alice.element, command.cancel());
    }
    expect(await cheats.state(alice)).toEqual(before);
    await cheats.spendAll(alice, cheats.friend);
  });

  /** Alice pays, and the payee takes the key and never confirms. */
  async function unconfirmed(payee: CheatingModule, amount: bigint): Promise<Uint8Array> {
    const session = new CheatingSession(payee, alice.element, false);
    await session.respond(await deliver(alice.element, command.pay(usd(amount), null)));
    expect(session.heard(await session.correct())[0]?.[0]).toBe(m.MODULE_NOTE);
    expect(session.heard(await session.ready())[0]?.[0]).toBe(m.MODULE_KEY);
    await deliver(alice.element, command.cancel());
    return session.hash;
  }

  /** The payee comes and says that it has the money; Alice's host lets her forget. */
  async function settle(payee: CheatingModule, payId: Uint8Array): Promise<void> {
    await deliver(alice.element, command.outcome(false));
    const session = new CheatingSession(payee, alice.element, true, PURPOSE_OUTCOME);
    await session.initiate();
    await session.say(m.MODULE_OPEN, [], []);
    await session.say(m.MODULE_CLOSE, [payId], []);
    await deliver(alice.element, command.forget(payId));
  }

  it("of payments that nobody confirms takes no more than it has room for; each can be ended, and then it pays again", async () => {
    const payees = Array.from({ length: PENDING_MAX }, () => cheats.cheater());
    const payIds: Uint8Array[] = [];
    for (const payee of payees) payIds.push(await unconfirmed(payee, 100n));
    expect(await alice.element.pending()).toHaveLength(PENDING_MAX);

    const before = await cheats.state(alice);
    const late = new CheatingSession(cheats.friend, alice.element, false);
    const refused = await late.respond(await deliver(alice.element, command.pay(usd(100n), null)));
    expect(abortReason(refused) ?? abortReason(await late.correct())).toBe(r.REASON_STORE_FULL);
    const { parts } = cheats.offered(alice, { amount: 1n, key });
    await cheats.refuses(alice, [parts], 1n, r.REASON_STORE_FULL);
    expect(await cheats.state(alice)).toEqual(before);

    for (const [at, payee] of payees.entries()) {
      await settle(payee, payIds[at] as Uint8Array);
      expect(await alice.element.pending()).toHaveLength(PENDING_MAX - 1 - at);
      if (at > 0) continue;
      await cheats.spend(alice, cheats.friend, 100n);
      await deliver(alice.element, command.forget((await alice.element.log())[0]?.payId as Uint8Array));
    }
    await cheats.spendAll(alice, cheats.friend);
  });

  it("keeps the newest of its log, in the same room, and goes on paying", async () => {
    const until = async (entries: number) => {
      for (let i = 0; i < entries; i += 1) {
        const session = new CheatingSession(cheats.friend, alice.element, false);
        await session.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
        await session.correct();
        await deliver(alice.element, command.cancel());
      }
    };
    await until(LOG_ENTRIES_MAX);
    const full = await alice.element.store();
    const newest = (await alice.element.log())[0]?.sequence ?? 0;
    await until(LOG_ENTRIES_MAX);
    const log = await alice.element.log();
    expect(log).toHaveLength(LOG_ENTRIES_MAX);
    expect(log[0]?.sequence).toBe(newest + LOG_ENTRIES_MAX);
    expect((await alice.element.store()).freeRecords).toBe(full.freeRecords);
    expect((await alice.element.balances())[0]?.spendable).toBe(VALUE);
    await cheats.spendAll(alice, cheats.friend);
  });

  it("full of notes to the last byte ends what is open after a power cut, and spends them all", async () => {
    let taken = 0;
    let reason: number | undefined;
    while (reason === undefined) {
      const { parts, key: shown } = cheats.walked(alice, HOPS_MAX - 1);
      const before = await cheats.state(alice);
      const session = await cheats.agreed(alice, usd(VALUE), cheats.cheat);
      reason = abortReason(await session.note(0, 1, encodeNote(parts)));
      if (reason !== undefined) expect(await cheats.state(alice)).toEqual(before);
      else expect(noticeNames(await session.key(shown))).toEqual(["received"]);
      taken += 1;
    }
    expect(reason).toBe(r.REASON_STORE_FULL);
    const payId = await unconfirmed(cheats.teller, VALUE);
    await alice.device.restart(PIN);
    expect(await alice.element.pending()).toMatchObject([{ state: "committed" }]);
    const meeting = new CheatingSession(cheats.teller, alice.element, false, PURPOSE_OUTCOME);
    const opened = await meeting.respond(await deliver(alice.element, command.outcome(true)));
    expect(meeting.heard(opened)[0]?.[0]).toBe(m.MODULE_OPEN);
    await meeting.say(m.MODULE_ANSWER, [payId], [], [], []);
    await deliver(alice.element, command.forget(payId));
    expect(await alice.element.pending()).toEqual([]);
    for (let left = (await alice.element.notes()).length; left > 0; left = (await alice.element.notes()).length) {
      await cheats.spend(alice, cheats.teller, VALUE * BigInt(Math.min(left, 4)));
      for (const { payId: over } of await alice.element.pending()) await deliver(alice.element, command.forget(over));
    }
    expect(await alice.element.balances()).toEqual([]);
    expect(taken).toBeGreaterThan(20);
  });
});

describe("an agent", () => {
  let world: AgentWorld;
  let registry: AgentDevice;
  let bank: AgentDevice;
  let merchant: AgentDevice;

  beforeAll(async () => {
    world = new AgentWorld("exhaustion");
    registry = await world.authority("Registry");
    bank = await world.authority("First Bank");
    merchant = await world.merchant("Corner Shop", registry);
    await world.fund([merchant, "USD 100.00"]);
  });

  it("that a thousand strangers begin a session with writes nothing, and serves whoever comes then", async () => {
    const { agent } = merchant;
    const before = await agent.element.digest();
    expect(halfOpen(agent, command.serve())).toBe(0);
    expect(await agent.element.digest()).toEqual(before);
    const customer = await world.customer("Alice", bank);
    const { customer: side } = await trade(world, customer, merchant, { type: m.TYPE_PURCHASE });
    expect(names(side).at(-1)).toBe("done");
  });

  it("full of cards refuses the next for that reason, keeps those, and still buys", async () => {
    const customer = await world.device("Bob", ROLE_CUSTOMER);
    const grant = (number: number) => {
      const card = { ...CARD, account: `40001234000000${10 + number}` };
      return world.grant(bank, customer, m.TICKET_DEBIT_CARD, componentFields({ kind: "card", card }));
    };
    let held = 0;
    let reason: number | undefined;
    while (reason === undefined && held < 2 * TICKETS_MAX) {
      const before = await customer.device.agent.digest();
      reason = await reasonOf(grant(held)).catch(() => undefined);
      if (reason === undefined) held += 1;
      else expect(await customer.device.agent.digest()).toEqual(before);
    }
    expect([held, reason]).toEqual([TICKETS_MAX, r.REASON_STORE_FULL]);
    expect(await customer.device.agent.tickets()).toHaveLength(TICKETS_MAX);
    const { customer: side } = await trade(world, customer, merchant, { type: m.TYPE_PURCHASE });
    expect(names(side).at(-1)).toBe("done");
    expect(await balance(customer)).toBe(1000n);
  });

  it("of whose customers everyone leaves at the last moment serves no more than it can answer for, until its host says", async () => {
    const customer = await world.customer("Carol", bank);
    const asked: Uint8Array[] = [];
    /** The customer leaves while the card network is asked. */
    const leave = () =>
      trade(world, customer, merchant, {
        type: m.TYPE_PURCHASE,
        merchant: {
          authorize: async ({ receiptHash }) => {
            asked.push(receiptHash);
            await customer.device.manager.command("agent", command.cancel());
            return undefined;
          },
        },
      });
    let refused: number | undefined;
    while (refused === undefined && asked.length <= 2 * PENDING_MAX) {
      const count = asked.length;
      const { customer: side } = await leave();
      if (asked.length === count) refused = noticeOf(side, "aborted").reason;
    }
    // One place may still be kept for the last transaction, which the module has not answered since.
    expect(asked.length).toBeGreaterThanOrEqual(PENDING_MAX - 1);
    expect(refused).toBe(r.REASON_PENDING);
    for (const receiptHash of asked) {
      await merchant.device.converse(undefined, "agent", async (conversation) => {
        await conversation.command(command.declined("91", receiptHash));
      });
    }
    const { customer: side } = await trade(world, customer, merchant, { type: m.TYPE_PURCHASE });
    expect(names(side).at(-1)).toBe("done");
  });
});
