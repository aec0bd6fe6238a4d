import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { encodeNote, readNote } from "../../host/codec/note.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { BankBooks } from "../../host/services/bank-books.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import {
  type FindingKind,
  Reconciliation,
  type ReconciliationTables,
  type ReturnedNote,
} from "../../host/services/reconciliation.js";
import type { TellerTables } from "../../host/services/teller.js";
import { NOW } from "../support/agencies.js";
import { DRAFT } from "../support/note-makers.js";
import { type Holding, NoteTrees } from "../support/note-trees.js";

const clock = { now_seconds: () => BigInt(NOW) };
const CUSTOMER = "customer";
const MODULE = "00112233445566778899aabbccddeeff";
const HOPS_BEFORE_DEPOSIT = 9;

async function bankOf(trees: NoteTrees, location: DatabaseLocation = "memory") {
  const database = openDatabase<TellerTables & ReconciliationTables>(location);
  const books = await BankBooks.open(database, clock);
  const reconciliation = await Reconciliation.open({ database, root: trees.agency.root, clock });
  await books.openDeposit(CUSTOMER, DRAFT.unit);
  await books.link(CUSTOMER, MODULE);
  /** Made by a generator, and withdrawn by somebody. */
  const issue = async (amount: bigint) => {
    await books.fund({ id: "funds", account: CUSTOMER, amount, unit: DRAFT.unit });
    await books.issue({ id: "issued", amount, unit: DRAFT.unit });
    await books.withdrawReserve({ id: "w", account: CUSTOMER, amount, unit: DRAFT.unit, subjectId: MODULE });
    await books.withdrawSettle("w");
  };
  /** Credited to whoever brings it, then redeemed. */
  const redeem = async (returned: ReturnedNote) => {
    const { id, money } = returned;
    await books.depositSettle({ id: `deposit of ${id}`, account: CUSTOMER, ...money });
    await books.redeem({ id, ...money }, (transaction) => reconciliation.merge(returned, transaction));
  };
  return { database, books, reconciliation, issue, redeem };
}

type Bank = Awaited<ReturnType<typeof bankOf>>;

async function losses(bank: Bank): Promise<bigint> {
  return bank.books.balance("fraud-loss", DRAFT.unit);
}

/** What the bank found after these came back in this order: kind and culprit of each finding, without repetition. */
async function found(trees: NoteTrees, issued: bigint, returned: readonly ReturnedNote[]) {
  const bank = await bankOf(trees);
  await bank.issue(issued);
  for (const each of returned) await bank.redeem(each);
  const findings = await bank.reconciliation.findings();
  const result = {
    findings: [...new Set(findings.map(({ kind, culprit }) => `${kind} ${culprit}`))].sort(),
    verdicts: findings.map(({ proof }) => proof && checkFraudProof(proof, trees.agency.root)),
    loss: await losses(bank),
    outstanding: await bank.books.balance("money-issued", DRAFT.unit),
    paid: await bank.books.depositBalance(CUSTOMER),
    faults: await bank.books.audit(),
    all: findings,
  };
  await bank.database.destroy();
  return result;
}

function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) => orders(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]));
}

/** Whatever the order of return, exactly these are found, each with a proof that holds (but for `redeemed`). */
async function expectFound(
  trees: NoteTrees,
  issued: bigint,
  returned: ReturnedNote[],
  expected: string[],
  loss: bigint,
) {
  for (const order of orders(returned)) {
    const result = await found(trees, issued, order);
    expect(result.findings).toEqual([...expected].sort());
    expect(result.loss).toBe(loss);
    expect(result.paid, "everybody is paid").toBe(returned.reduce((sum, { money }) => sum + money.amount, 0n));
    expect(result.faults).toEqual([]);
    result.all.forEach((finding, index) => {
      const verdict = result.verdicts[index];
      if (finding.kind === "redeemed") expect(verdict).toBeUndefined();
      else expect(verdict).toMatchObject({ proved: true, culprit: finding.culprit });
    });
  }
}

const finding = (kind: FindingKind, culprit: string) => `${kind} ${culprit}`;

const move = fc.record({ pick: fc.nat(), to: fc.integer({ min: 1, max: 5 }), share: fc.integer({ min: 1, max: 100 }) });
const life = fc.record({
  values: fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 3 }),
  moves: fc.array(move, { maxLength: 14 }),
  order: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
  repeats: fc.array(fc.nat(), { maxLength: 3 }),
});

describe("reconciliation", () => {
  test("honest notes, however divided and passed on, never make a finding", async () => {
    await fc.assert(
      fc.asyncProperty(life, async ({ values, moves, order, repeats }) => {
        const trees = new NoteTrees();
        const held: Holding[] = values.map((value) => trees.issue(BigInt(value)));
        for (const { pick, to, share } of moves) {
          const from = held[pick % held.length] as Holding;
          const amount = (from.left * BigInt(share)) / 100n;
          if (amount === 0n || from.parts.entries.length >= HOPS_BEFORE_DEPOSIT) continue;
          held.push(trees.pass(from, to, amount));
        }
        const bring = held.filter((each) => each.left > 0n).map((each) => trees.bring(each));
        const returned = bring.map((each, at) => ({ each, key: order[at % order.length] ?? 0 }));
        returned.sort((a, b) => a.key - b.key);
        const again = repeats.map((at) => bring[at % bring.length] as ReturnedNote);
        const issued = values.reduce((sum, value) => sum + BigInt(value), 0n);
        const result = await found(trees, issued, [...returned.map(({ each }) => each), ...again]);
        expect(result).toMatchObject({ findings: [], loss: 0n, outstanding: 0n, faults: [] });
      }),
      { numRuns: 40 },
    );
  });

  test("the same counter for two parts of one note", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 100n);
    const counter = trees.counter(1);
    const victims = [trees.pass(cheat, 2, 30n, counter), trees.pass(cheat, 3, 30n, counter)];
    const honest = trees.pass(trees.issue(50n), 4, 50n);
    const returned = [...victims, honest].map((each) => trees.bring(each));
    // Nothing is lost yet: the cheat has not passed on more than it had.
    await expectFound(trees, 150n, returned, [finding("counter", trees.hex(1))], 0n);
  });

  test("the same counter on two notes", async () => {
    const trees = new NoteTrees();
    const counter = trees.counter(1);
    const returned = [2, 3].map((victim) => {
      const cheat = trees.pass(trees.issue(100n), 1, 100n);
      return trees.bring(trees.pass(trees.pass(cheat, victim, 60n, counter), 4, 60n));
    });
    await expectFound(trees, 200n, returned, [finding("counter", trees.hex(1))], 0n);
  });

  test("parts that are more than was received, each under a counter of its own", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 40n);
    const first = trees.pass(cheat, 2, 25n);
    // The victims pass on what they got in good faith, and some of it is still out.
    const parts = [trees.pass(first, 3, 20n), trees.pass(cheat, 4, 10n), trees.pass(cheat, 5, 15n)];
    const returned = parts.map((each) => trees.bring(each));
    await expectFound(trees, 100n, returned, [finding("parts", trees.hex(1))], 5n);
  });

  test("a note copied whole and spent twice by one module is found by counter and by sum", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 100n);
    const counter = trees.counter(1);
    const copies = [2, 3].map((victim) => trees.bring(trees.pass(cheat, victim, 100n, counter)));
    const cheatHex = trees.hex(1);
    await expectFound(trees, 100n, copies, [finding("counter", cheatHex), finding("parts", cheatHex)], 100n);
  });

  test("the first divergent transferor is named, not those after it", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 100n);
    const one = trees.pass(trees.pass(trees.pass(cheat, 2, 100n), 3, 100n), 4, 100n);
    const other = trees.pass(trees.pass(cheat, 3, 100n), 2, 100n);
    await expectFound(
      trees,
      100n,
      [one, other].map((each) => trees.bring(each)),
      [finding("parts", trees.hex(1))],
      100n,
    );
  });

  test("a generator that passes on more than its note's value", async () => {
    const trees = new NoteTrees();
    const minted = trees.mint(100n);
    const notes = [60n, 30n, 20n].map((amount) => trees.fromGenerator(minted, amount));
    const returned = notes.map((each) => trees.bring(trees.pass(each, 1, each.amount)));
    await expectFound(trees, 110n, returned, [finding("parts", toHex(trees.generator.id))], 10n);
  });

  test("redeemed above what the teller received: known, without a proof", async () => {
    const trees = new NoteTrees();
    const deposit = trees.pass(trees.pass(trees.issue(100n), 1, 100n), 0, 100n);
    const paidOut = trees.bring(trees.pass(deposit, 2, 40n));
    const returned = [trees.redemption(deposit, 61n), paidOut];
    await expectFound(trees, 101n, returned, [finding("redeemed", trees.hex(0))], 1n);
    await expectFound(trees, 100n, [trees.redemption(deposit, 60n), paidOut], [], 0n);
  });

  test("loss does not depend on the order of return", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 70n);
    const other = trees.pass(cheat, 2, 60n);
    const parts = [trees.pass(cheat, 3, 50n), trees.pass(other, 3, 20n), trees.pass(other, 4, 45n)];
    const returned = parts.map((each) => trees.bring(each));
    const guilty = [1, 2].map((index) => finding("parts", trees.hex(index)));
    // Of 115 that came back, 70 were ever passed to the first of them.
    await expectFound(trees, 100n, returned, guilty, 45n);
  });

  test("a redemption said again, also by a bank that has restarted, changes nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
    try {
      const trees = new NoteTrees();
      const cheat = trees.pass(trees.issue(100n), 1, 100n);
      const returned = [2, 3].map((victim) => trees.bring(trees.pass(cheat, victim, 80n)));
      const states: unknown[] = [];
      for (let round = 0; round < 3; round += 1) {
        const bank = await bankOf(trees, { file: join(folder, "bank.sqlite") });
        await bank.issue(100n);
        for (const each of round === 1 ? [...returned].reverse() : returned) await bank.redeem(each);
        states.push([await losses(bank), await bank.reconciliation.findings(), await bank.books.audit()]);
        await bank.database.destroy();
      }
      expect(states[0]).toMatchObject([60n, [{ number: 1, kind: "parts", culprit: trees.hex(1) }], []]);
      expect(states[1]).toEqual(states[0]);
      expect(states[2]).toEqual(states[0]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("tree, finding and posting commit together or not at all", async () => {
    const trees = new NoteTrees();
    const bank = await bankOf(trees);
    const returned = trees.bring(trees.pass(trees.issue(100n), 1, 100n));
    // Nothing was issued, so that the posting is refused after the note was merged.
    await expect(bank.redeem(returned)).rejects.toThrow();
    expect(await bank.database.selectFrom("note_record").selectAll().execute()).toEqual([]);
    expect(await bank.database.selectFrom("note_return").selectAll().execute()).toEqual([]);
    await bank.issue(100n);
    await bank.redeem(returned);
    expect(await bank.database.selectFrom("note_record").selectAll().execute()).toHaveLength(3);
  });

  test("a note that cannot be verified is nobody's evidence, and its amount the bank's loss", async () => {
    const trees = new NoteTrees();
    const cheat = trees.pass(trees.issue(100n), 1, 100n);
    const counter = trees.counter(1);
    const good = trees.bring(trees.pass(cheat, 2, 30n, counter));
    const other = trees.bring(trees.pass(cheat, 3, 30n, counter));
    const { entries, ...rest } = readNote(other.note);
    // The cheat's second record without its key: an aborted payment, never evidence.
    const unopened = encodeNote({
      ...rest,
      entries: entries.map((each, at) => (at === 2 ? { ...each, key: null } : each)),
    });
    const wrongKey = { ...other, id: "wrong key", key: trees.key() };
    const bank = await bankOf(trees);
    await bank.issue(100n);
    for (const each of [good, { ...other, id: "unopened", note: unopened }, wrongKey]) await bank.redeem(each);
    expect(await bank.reconciliation.findings()).toEqual([]);
    expect(await losses(bank)).toBe(60n);
    expect(await bank.reconciliation.refused()).toMatchObject([{ id: "unopened" }, { id: "wrong key" }]);
    await bank.redeem(other);
    expect(await bank.reconciliation.findings()).toMatchObject([{ kind: "counter", culprit: trees.hex(1) }]);
  });
});
