/** The choice of notes for a payment (WO 96/41315 fig. 20, step 1566), against searches that know nothing of it. */

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CHOICE_EXACT_NOTES_MAX, HOPS_MAX, PACKET_NOTES_MAX, WALLET_NOTES_MAX } from "../firmware/protocol/limits.js";
import { REASON_ARITHMETIC, REASON_INSUFFICIENT_FUNDS, REASON_TOO_MANY_NOTES } from "../firmware/protocol/reasons.js";
import { FirmwareAssertion, loadModule } from "./support/firmware.js";

interface ChoiceModule {
  setCandidate(i: number, residual: bigint, hops: number, days: number, index: number): void;
  part(i: number): bigint;
  index(i: number): number;
  chooseNotes(count: number, amount: bigint): number;
  daysAreFewest(): number;
}

interface WalletNote {
  readonly residual: bigint;
  readonly hops: number;
  readonly days: number;
}

/** What a choice is worth, by falling weight. */
interface Score {
  readonly notes: number;
  readonly hops: number;
  readonly unitDays: bigint;
}

const DAYS_MAX = 0xffff;
const LARGEST = 2n ** 63n - 1n;

let chip: ChoiceModule;
let release: ChoiceModule;
beforeAll(async () => {
  chip = (await loadModule<ChoiceModule>("note-choice")).exports;
  release = (await loadModule<ChoiceModule>("note-choice", undefined, "release")).exports;
});

interface Choice {
  readonly status: number;
  readonly parts: readonly bigint[];
}

function choose(wallet: readonly WalletNote[], amount: bigint, module: ChoiceModule = chip): Choice {
  wallet.forEach((note, i) => {
    module.setCandidate(i, note.residual, note.hops, note.days, 1000 + i);
  });
  const status = module.chooseNotes(wallet.length, amount);
  return { status, parts: wallet.map((_note, i) => BigInt.asUintN(64, module.part(i))) };
}

function total(wallet: readonly WalletNote[]): bigint {
  return wallet.reduce((sum, note) => sum + note.residual, 0n);
}

function cappedDays(note: WalletNote): bigint {
  return BigInt(Math.min(note.days, DAYS_MAX));
}

/** Checks that parts pay the amount as a choice must, and says what it is worth. */
function score(wallet: readonly WalletNote[], amount: bigint, parts: readonly bigint[]): Score {
  const chosen = wallet.map((note, i) => ({ ...note, part: parts[i] ?? 0n })).filter((note) => note.part !== 0n);
  expect(chosen.every((note) => note.part > 0n && note.part <= note.residual)).toBe(true);
  expect(chosen.filter((note) => note.part < note.residual).length).toBeLessThanOrEqual(1);
  expect(chosen.reduce((sum, note) => sum + note.part, 0n)).toBe(amount);
  return {
    notes: chosen.length,
    hops: chosen.reduce((sum, note) => sum + note.hops, 0),
    unitDays: chosen.reduce((sum, note) => sum + note.part * cappedDays(note), 0n),
  };
}

function better(a: Score, b: Score): boolean {
  if (a.notes !== b.notes) return a.notes < b.notes;
  if (a.hops !== b.hops) return a.hops < b.hops;
  return a.unitDays < b.unitDays;
}

/** All subsets, and for each all notes that could go in part. */
function bestOfAllSubsets(wallet: readonly WalletNote[], amount: bigint, notesMax = wallet.length): Score | undefined {
  let best: Score | undefined;
  const visit = (from: number, chosen: readonly WalletNote[], sum: bigint) => {
    for (const divided of chosen) {
      const excess = sum - amount;
      if (excess < 0n || excess >= divided.residual) continue;
      const whole = chosen.reduce((days, note) => days + note.residual * cappedDays(note), 0n);
      const hops = chosen.reduce((sumOfHops, note) => sumOfHops + note.hops, 0);
      const found = { notes: chosen.length, hops, unitDays: whole - excess * cappedDays(divided) };
      if (best === undefined || better(found, best)) best = found;
    }
    if (chosen.length === notesMax) return;
    wallet.slice(from).forEach((note, i) => {
      visit(from + i + 1, [...chosen, note], sum + note.residual);
    });
  };
  visit(0, [], 0n);
  return best;
}

/** All ways to pay at all: every part from nothing to everything, though any number of notes were divided. */
function bestOfAllParts(wallet: readonly WalletNote[], amount: bigint): Score | undefined {
  let best: Score | undefined;
  const visit = (i: number, left: bigint, so: Score) => {
    const note = wallet[i];
    if (note === undefined) {
      if (left === 0n && (best === undefined || better(so, best))) best = so;
      return;
    }
    visit(i + 1, left, so);
    for (let part = 1n; part <= note.residual && part <= left; part++) {
      const { notes, hops, unitDays } = so;
      visit(i + 1, left - part, {
        notes: notes + 1,
        hops: hops + note.hops,
        unitDays: unitDays + part * cappedDays(note),
      });
    }
  };
  visit(0, amount, { notes: 0, hops: 0, unitDays: 0n });
  return best;
}

/** Fewest notes and fewest transfers by the largest sum for each number of notes and transfers, note by note. */
function fewest(wallet: readonly WalletNote[], amount: bigint): { notes: number; hops: number } | undefined {
  const width = wallet.length * HOPS_MAX + 1;
  const reach: bigint[][] = Array.from({ length: wallet.length + 1 }, () => new Array<bigint>(width).fill(-1n));
  (reach[0] as bigint[])[0] = 0n;
  wallet.forEach((note, taken) => {
    for (let notes = taken; notes >= 0; notes--) {
      const from = reach[notes] as bigint[];
      const to = reach[notes + 1] as bigint[];
      for (let hops = 0; hops + note.hops < width; hops++) {
        const sum = from[hops] ?? -1n;
        const known = to[hops + note.hops] ?? -1n;
        if (sum >= 0n && sum + note.residual > known) to[hops + note.hops] = sum + note.residual;
      }
    }
  });
  for (const [notes, sums] of reach.entries()) {
    const hops = sums.findIndex((sum) => sum >= amount);
    if (hops >= 0) return { notes, hops };
  }
  return undefined;
}

function expectedStatus(best: { readonly notes: number } | undefined): number {
  if (best === undefined) return -REASON_INSUFFICIENT_FUNDS;
  return best.notes > PACKET_NOTES_MAX ? -REASON_TOO_MANY_NOTES : best.notes;
}

function expectBest(wallet: readonly WalletNote[], amount: bigint, best: Score | undefined): void {
  const { status, parts } = choose(wallet, amount);
  expect(status).toBe(expectedStatus(best));
  if (status < 0) expect(parts.every((part) => part === 0n)).toBe(true);
  else expect(score(wallet, amount, parts)).toEqual(best);
}

/** The best of all notes of a wallet together. */
function bestOfWhole(wallet: readonly WalletNote[], amount: bigint): Score {
  const excess = total(wallet) - amount;
  const whole = wallet.reduce((days, note) => days + note.residual * cappedDays(note), 0n);
  const days = wallet.filter((note) => note.residual > excess).map(cappedDays);
  const most = days.toSorted((a, b) => Number(b - a))[0] ?? 0n;
  const hops = wallet.reduce((sum, note) => sum + note.hops, 0);
  return { notes: wallet.length, hops, unitDays: whole - excess * most };
}

function notes(residual: fc.Arbitrary<bigint>, hops: number, days: number): fc.Arbitrary<WalletNote> {
  return fc.record({ residual, hops: fc.nat(hops), days: fc.nat(days) });
}

/** Residuals that are often equal, small, round, or next to 2^63. */
const anyResidual = fc.oneof(
  fc.bigInt(0n, 8n),
  fc.constantFrom(100n, 200n, 500n, 1000n),
  fc.bigInt(1n, 100_000n),
  fc.bigInt(LARGEST - 5n, LARGEST),
  fc.bigInt(2n ** 60n, 2n ** 60n + 3n),
);
const anyNote = fc.oneof(
  notes(anyResidual, 2, 3),
  notes(anyResidual, HOPS_MAX, DAYS_MAX),
  notes(anyResidual, 1, 0xffffffff),
);

/** A wallet and an amount: exactly the sum of some of its notes, a little beside it, 1, or anything. */
function payment(note: fc.Arbitrary<WalletNote>, minLength: number, maxLength: number) {
  return fc
    .record({
      wallet: fc.array(note, { minLength, maxLength }),
      some: fc.infiniteStream(fc.boolean()),
      beside: fc.constantFrom(-1n, 0n, 0n, 0n, 1n),
      share: fc.option(fc.nat(1000)),
    })
    .map(({ wallet, some, beside, share }) => {
      const subset = wallet.filter(() => some.next().value === true);
      const sum = share === null ? total(subset) : (total(wallet) * BigInt(share)) / 1000n;
      const amount = sum + beside;
      return { wallet, amount: amount < 1n ? 1n : amount > LARGEST ? LARGEST : amount };
    });
}

describe("small wallets, against all subsets", () => {
  it("chooses the best of any wallet", () => {
    fc.assert(
      fc.property(payment(anyNote, 0, 9), ({ wallet, amount }) => {
        expectBest(wallet, amount, bestOfAllSubsets(wallet, amount));
      }),
      { numRuns: 3000 },
    );
  });

  it("chooses the best where notes differ in little, so that many choices tie", () => {
    const alike = notes(fc.bigInt(1n, 4n), 2, 3);
    fc.assert(
      fc.property(payment(alike, 4, 10), ({ wallet, amount }) => {
        expectBest(wallet, amount, bestOfAllSubsets(wallet, amount));
      }),
      { numRuns: 1500 },
    );
  });

  it("chooses the best where several notes are needed and histories differ much", () => {
    const close = notes(fc.bigInt(9n, 13n), HOPS_MAX, 5);
    fc.assert(
      fc.property(fc.array(close, { minLength: 6, maxLength: 10 }), fc.bigInt(20n, 70n), (wallet, amount) => {
        expectBest(wallet, amount, bestOfAllSubsets(wallet, amount));
      }),
      { numRuns: 500 },
    );
  });

  it("chooses by days alone among notes of one value and history", () => {
    const equal = notes(fc.constant(2n ** 60n), 0, DAYS_MAX);
    fc.assert(
      fc.property(payment(equal, 2, 9), ({ wallet, amount }) => {
        expectBest(wallet, amount, bestOfAllSubsets(wallet, amount));
      }),
      { numRuns: 500 },
    );
  });

  it("is not beaten by dividing several notes", () => {
    const tiny = notes(fc.bigInt(0n, 5n), 2, 5);
    fc.assert(
      fc.property(fc.array(tiny, { maxLength: 6 }), fc.bigInt(1n, 20n), (wallet, amount) => {
        expectBest(wallet, amount, bestOfAllParts(wallet, amount));
      }),
      { numRuns: 1500 },
    );
  });

  it("is exact up to the limit of exact choice", () => {
    const note = notes(fc.bigInt(90n, 130n), 2, 400);
    fc.assert(
      fc.property(
        fc.array(note, { minLength: CHOICE_EXACT_NOTES_MAX, maxLength: CHOICE_EXACT_NOTES_MAX }),
        fc.bigInt(1n, 600n),
        (wallet, amount) => {
          expectBest(wallet, amount, bestOfAllSubsets(wallet, amount, 7));
        },
      ),
      { numRuns: 12 },
    );
  });

  it("ends the search at the limit of exact choice, whatever the wallet", () => {
    // Nothing prunes: any 8 of the 16 pay, all differ, none has been transferred. An unfinished search asserts.
    const wallet = Array.from({ length: CHOICE_EXACT_NOTES_MAX }, (_value, i) => ({
      residual: 1000n + BigInt(i),
      hops: 0,
      days: 10 * i,
    }));
    const { status, parts } = choose(wallet, 7500n);
    expect(status).toBe(8);
    // Days rise much faster than residuals: the eight that expire first, the last of them in part.
    const byDays = wallet.slice(0, 8);
    const last = 7500n - total(byDays.slice(0, 7));
    expect(parts.slice(0, 8)).toEqual([...byDays.slice(0, 7).map((note) => note.residual), last]);
  });
});

describe("large wallets", () => {
  it("keeps notes and transfers the fewest", () => {
    const note = fc.oneof(notes(anyResidual, HOPS_MAX, DAYS_MAX), notes(fc.bigInt(90n, 130n), HOPS_MAX, 400));
    fc.assert(
      fc.property(payment(note, CHOICE_EXACT_NOTES_MAX + 1, WALLET_NOTES_MAX), ({ wallet, amount }) => {
        const best = fewest(wallet, amount);
        const { status, parts } = choose(wallet, amount);
        expect(status).toBe(expectedStatus(best));
        if (status < 0) return;
        const { notes, hops } = score(wallet, amount, parts);
        expect({ notes, hops }).toEqual(best);
      }),
      { numRuns: 150 },
    );
  });

  it("keeps them the fewest where six to eight notes are needed and residuals are close", () => {
    const note = notes(fc.bigInt(9_000n, 13_000n), HOPS_MAX, 400);
    const wallets = fc.array(note, { minLength: 40, maxLength: WALLET_NOTES_MAX });
    fc.assert(
      fc.property(wallets, fc.bigInt(70_000n, 95_000n), (wallet, amount) => {
        const best = fewest(wallet, amount);
        const { status, parts } = choose(wallet, amount);
        const { notes, hops } = score(wallet, amount, parts);
        expect({ status, notes, hops }).toEqual({ status: best?.notes, ...best });
      }),
      { numRuns: 40 },
    );
  });

  it("is exact in days too when one or two notes pay", () => {
    const note = notes(fc.bigInt(500n, 1000n), 3, 400);
    const wallets = fc.array(note, { minLength: WALLET_NOTES_MAX, maxLength: WALLET_NOTES_MAX });
    fc.assert(
      fc.property(wallets, fc.bigInt(1n, 1900n), (wallet, amount) => {
        const best = bestOfAllSubsets(wallet, amount, 2);
        if (best !== undefined) expectBest(wallet, amount, best);
      }),
      { numRuns: 40 },
    );
  });

  /** The more a note is worth the later it expires, so that no note is preferred to another and searches are long. */
  function hardWallet(hops: number): fc.Arbitrary<WalletNote[]> {
    const more = fc.record({
      residual: fc.integer({ min: 1, max: 4 }),
      hops: fc.nat(hops),
      days: fc.integer({ min: 1, max: 6 }),
    });
    return fc.array(more, { minLength: WALLET_NOTES_MAX, maxLength: WALLET_NOTES_MAX }).map((steps) => {
      let residual = 1000n;
      let days = 0;
      return steps.map((step) => {
        residual += BigInt(step.residual);
        days += step.days;
        return { residual, hops: step.hops, days };
      });
    });
  }

  it("knows when its search did not end", () => {
    const wallet = Array.from({ length: WALLET_NOTES_MAX }, (_value, i) => ({
      residual: 1000n + BigInt(i),
      hops: 0,
      days: 10 * i,
    }));
    choose(wallet, 7_500n);
    expect(chip.daysAreFewest()).toBe(0);
    choose(wallet, 1_900n);
    expect(chip.daysAreFewest()).toBe(1);
  });

  it("keeps them the fewest where the search seldom ends", () => {
    fc.assert(
      fc.property(fc.oneof(hardWallet(1), hardWallet(HOPS_MAX)), fc.bigInt(5_000n, 8_500n), (wallet, amount) => {
        const best = fewest(wallet, amount);
        const { parts } = choose(wallet, amount);
        const { notes, hops } = score(wallet, amount, parts);
        expect({ notes, hops }).toEqual(best);
      }),
      { numRuns: 40 },
    );
  });

  it("leaves no exchange of single notes that would lessen the days, where the search seldom ends", () => {
    fc.assert(
      fc.property(hardWallet(1), fc.bigInt(5_000n, 7_000n), (wallet, amount) => {
        const { parts } = choose(wallet, amount);
        const found = score(wallet, amount, parts);
        const set = wallet.filter((_note, i) => parts[i] !== 0n);
        for (const out of set) {
          for (const into of wallet.filter((note, i) => parts[i] === 0n && note.hops === out.hops)) {
            const exchanged = [...set.filter((member) => member !== out), into];
            const best = total(exchanged) < amount ? undefined : bestOfWhole(exchanged, amount);
            if (best !== undefined) expect(better(best, found)).toBe(false);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  /** The best choice of `count` notes out of kinds of like notes, of which there are some each. */
  function bestOfKinds(kinds: readonly (WalletNote & { available: number })[], amount: bigint, count: number) {
    let best: Score | undefined;
    const visit = (k: number, left: number, chosen: readonly WalletNote[]) => {
      const kind = kinds[k];
      if (left === 0 && total(chosen) >= amount) {
        const found = bestOfWhole(chosen, amount);
        if (best === undefined || better(found, best)) best = found;
      }
      if (left === 0 || kind === undefined) return;
      for (let taken = 0; taken <= Math.min(left, kind.available); taken++) {
        visit(k + 1, left - taken, [...chosen, ...new Array<WalletNote>(taken).fill(kind)]);
      }
    };
    visit(0, count, []);
    return best;
  }

  it("is exact in days too where notes come in few sorts, however many they are", () => {
    const note = fc.record({
      residual: fc.constantFrom(1000n, 700n),
      hops: fc.nat(2),
      days: fc.constantFrom(10, 20, 90),
    });
    const wallets = fc.array(note, { minLength: WALLET_NOTES_MAX, maxLength: WALLET_NOTES_MAX });
    fc.assert(
      fc.property(wallets, fc.bigInt(3_100n, 4_000n), (wallet, amount) => {
        const best = fewest(wallet, amount);
        const sorts = new Map<string, WalletNote & { available: number }>();
        for (const member of wallet) {
          const name = `${member.residual} ${member.hops} ${member.days}`;
          sorts.set(name, { ...member, available: (sorts.get(name)?.available ?? 0) + 1 });
        }
        expect(best?.notes).toBeGreaterThan(2);
        expectBest(wallet, amount, bestOfKinds([...sorts.values()], amount, best?.notes ?? 0));
      }),
      { numRuns: 30 },
    );
  });

  it("takes what expires first of equal notes, however many they are", () => {
    // Withdrawn at a few dates in two denominations: of each sort those that expire first, by hand.
    const wallet = Array.from({ length: WALLET_NOTES_MAX }, (_value, i) => ({
      residual: i % 2 === 0 ? 1000n : 500n,
      hops: 1,
      days: 400 - i,
    }));
    const { status, parts } = choose(wallet, 6_700n);
    expect(status).toBe(7);
    expect(chip.daysAreFewest()).toBe(1);
    // Six at 1000 and one at 500 are 200 short, so it takes seven at 1000, of which the last goes in part.
    expect(score(wallet, 6_700n, parts).unitDays).toBe(BigInt(1000 * (338 + 340 + 342 + 344 + 346 + 348) + 700 * 350));
  });
});

describe("edges", () => {
  const note = (residual: bigint, hops = 0, days = 100): WalletNote => ({ residual, hops, days });

  it("pays nothing with nothing", () => {
    expect(choose([note(5n)], 0n)).toEqual({ status: 0, parts: [0n] });
    expect(choose([], 0n).status).toBe(0);
  });

  it("says when the wallet is short, even by one", () => {
    expect(choose([], 1n).status).toBe(-REASON_INSUFFICIENT_FUNDS);
    expect(choose([note(5n), note(6n)], 12n).status).toBe(-REASON_INSUFFICIENT_FUNDS);
    expect(choose([note(5n), note(6n)], 11n)).toEqual({ status: 2, parts: [5n, 6n] });
  });

  it("says when a packet cannot hold what the amount needs", () => {
    const wallet = Array.from({ length: PACKET_NOTES_MAX + 1 }, () => note(10n));
    expect(choose(wallet, 80n).status).toBe(PACKET_NOTES_MAX);
    expect(choose(wallet, 81n).status).toBe(-REASON_TOO_MANY_NOTES);
    expect(choose(wallet, 90n).status).toBe(-REASON_TOO_MANY_NOTES);
    expect(choose(wallet, 91n).status).toBe(-REASON_INSUFFICIENT_FUNDS);
  });

  it("refuses amounts and residuals that are none", () => {
    expect(choose([note(5n)], 2n ** 63n).status).toBe(-REASON_ARITHMETIC);
    expect(choose([note(5n)], 2n ** 64n - 1n).status).toBe(-REASON_ARITHMETIC);
    expect(choose([note(5n), note(2n ** 63n)], 1n)).toEqual({ status: -REASON_ARITHMETIC, parts: [0n, 0n] });
  });

  it("never lets sums wrap", () => {
    const wallet = Array.from({ length: WALLET_NOTES_MAX }, () => note(LARGEST, 0, DAYS_MAX));
    const { status, parts } = choose(wallet, LARGEST);
    expect({ status, unitDays: score(wallet, LARGEST, parts).unitDays }).toEqual({
      status: 1,
      unitDays: LARGEST * BigInt(DAYS_MAX),
    });
    const eight = Array.from({ length: WALLET_NOTES_MAX }, (_value, i) => note(2n ** 60n - BigInt(i), i % 3, DAYS_MAX));
    const paid = choose(eight, LARGEST - 40n);
    expect(paid.status).toBe(8);
    score(eight, LARGEST - 40n, paid.parts);
  });

  it("compares days exactly where they differ in the last of 79 bits", () => {
    const wallet = [note(2n ** 62n, 0, 65_535), note(2n ** 62n, 0, 65_535), note(2n ** 62n - 1n, 0, 65_535)];
    const { parts } = choose(wallet, LARGEST - 1n);
    expect(score(wallet, LARGEST - 1n, parts).unitDays).toBe((LARGEST - 1n) * 65_535n);
    // One unit moves from 65,535 to 65,534 days.
    const better = [note(LARGEST - 1n, 0, 65_535), note(2n, 0, 65_534), note(1n, 0, 65_534)];
    expect(choose(better, LARGEST)).toEqual({ status: 2, parts: [LARGEST - 2n, 2n, 0n] });
  });

  it("counts days only up to 65,535", () => {
    const wallet = [note(10n, 0, 0xffffffff), note(11n, 0, 65_535), note(12n, 0, 65_536)];
    expect(score(wallet, 10n, choose(wallet, 10n).parts).unitDays).toBe(655_350n);
  });

  it("never touches what is the caller's, nor candidates beyond the count", () => {
    choose([note(1n), note(2n), note(3n)], 6n);
    expect([0, 1, 2].map((i) => chip.index(i))).toEqual([1000, 1001, 1002]);
    chip.setCandidate(2, 1000n, 0, 0, 7);
    expect(chip.chooseNotes(2, 3n)).toBe(2);
    expect(chip.part(2)).toBe(0xddddddddn);
  });

  it("holds its caller to the table and to the hop limit", () => {
    expect(() => chip.chooseNotes(WALLET_NOTES_MAX + 1, 1n)).toThrow(FirmwareAssertion);
    expect(() => choose([note(1n, HOPS_MAX + 1)], 1n)).toThrow(FirmwareAssertion);
    expect(() => chip.setCandidate(WALLET_NOTES_MAX, 1n, 0, 0, 0)).toThrow(FirmwareAssertion);
  });

  it("chooses the same as it ships", () => {
    fc.assert(
      fc.property(payment(anyNote, 0, WALLET_NOTES_MAX), ({ wallet, amount }) => {
        expect(choose(wallet, amount, release)).toEqual(choose(wallet, amount));
      }),
      { numRuns: 300 },
    );
  });
});
