/**
 * Refreshes notes in a teller session (docs/PROTOCOLS.md, section 7): those that are due are paid in, whole, and the same sum
 * is withdrawn in fresh notes.
 *
 * In between the bank owes the sum to the module, on an account that only this module can draw on. So a refresh that was broken
 * off anywhere is finished by the next one, or by a withdrawal that names the account.
 */

import { HOPS_MAX, PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import { REASON_STORE_FULL } from "../../firmware/protocol/reasons.js";
import { command } from "../commands.js";
import type { Device } from "../device.js";
import type { NoteSummary } from "../element-data.js";
import { ReasonError } from "../reasons.js";
import { type Money, type Unit, unitKey } from "../units.js";
import { resume } from "./resume.js";
import { memoBytes, runTransfer, type Transfer } from "./transfer.js";
import { atCounter, type BankConnection, REFRESH_MEMO, withdraw } from "./withdraw.js";

const DAYS_DEFAULT = 30;
const SECONDS_A_DAY = 86_400;
/** A note that has no more transfers left than this is due: one to a subscriber, and the teller's. */
const HOPS_LEFT_MIN = 2;

export interface RefreshOptions {
  /** Notes that expire sooner are due; 30 days unless said. */
  readonly days?: number;
  /** Every note is due: small change comes back as few notes. */
  readonly all?: boolean;
}

/** What a refresh did in one unit. */
export interface Refreshed {
  readonly unit: Unit;
  /** Came back in fresh notes, what an earlier refresh had left at the bank included. */
  readonly amount: bigint;
  /** Notes of this unit that can be spent. */
  readonly notesBefore: number;
  readonly notesAfter: number;
  /** In notes whose final redemption date has come: no teller takes them. */
  readonly lapsed: bigint;
}

/** The connection, or the power, went while money was at the bank. */
export class RefreshBrokenOffError extends Error {
  constructor(cause: unknown) {
    super(
      "The refresh was broken off. Nothing is lost: what the bank has received it owes to this module, and to no other. " +
        "Connect to the bank again and refresh once more; that finishes it first.",
      { cause },
    );
    this.name = "RefreshBrokenOffError";
  }
}

/** Whether a note should be brought to a teller. One past its final redemption date should have been. */
export function isDue(note: NoteSummary, now_seconds: number, options: RefreshOptions = {}): boolean {
  if (!note.spendable || note.rests.lapsed) return false;
  if (options.all === true || note.rests.listedAncestor) return true;
  const soon = now_seconds + (options.days ?? DAYS_DEFAULT) * SECONDS_A_DAY;
  return note.expiry_seconds <= soon || note.hops + HOPS_LEFT_MIN >= HOPS_MAX;
}

/**
 * Brings what is due, at most the notes that the module holds when it begins, in packets of PACKET_NOTES_MAX notes of one
 * unit. What an earlier refresh left at the bank comes back first.
 */
export async function refresh(
  device: Device,
  bank: BankConnection,
  options: RefreshOptions = {},
): Promise<readonly Refreshed[]> {
  const { days = DAYS_DEFAULT } = options;
  if (!Number.isSafeInteger(days) || days < 0)
    throw new RangeError("options.days must be a whole number, not below zero");
  await settleOpen(device, bank);
  const before = await device.module.notes();
  const now_seconds = Number((await device.module.counters()).now_seconds);
  const packets = packetsOf(before.filter((note) => isDue(note, now_seconds, options)));
  const back: Money[] = [];
  try {
    await collect(device, bank, [], back);
  } catch (error) {
    // A wallet that is full has room for what the bank owes it when what is due has left.
    if (!isFull(error) || packets.length === 0) throw error;
  }
  if (packets.length > 0) await exchange(device, bank, packets, back);
  return summary(before, await device.module.notes(), back);
}

function isFull(error: unknown): boolean {
  return error instanceof ReasonError && error.reason === REASON_STORE_FULL && !error.byPeer;
}

/** Pays in packet after packet, then has the whole sum back: so that many packets come back as few notes. */
async function exchange(
  device: Device,
  bank: BankConnection,
  packets: readonly NoteSummary[][],
  back: Money[],
): Promise<void> {
  const paidIn: Money[] = [];
  let refusal: ReasonError | undefined;
  try {
    for (const packet of packets) paidIn.push((await payIn(device, bank, packet)).money);
  } catch (error) {
    if (!(error instanceof ReasonError)) throw paidIn.length === 0 ? error : new RefreshBrokenOffError(error);
    // The counter has said no: what was paid in before comes back all the same.
    refusal = error;
  }
  try {
    await collect(device, bank, paidIn, back);
  } catch (error) {
    throw paidIn.length === 0 ? (refusal ?? error) : new RefreshBrokenOffError(refusal ?? error);
  }
  if (refusal !== undefined) throw refusal;
}

function payIn(device: Device, bank: BankConnection, notes: readonly NoteSummary[]): Promise<Transfer> {
  const places = notes.map(({ place }) => place);
  return atCounter(device, bank, async () => {
    const link = await bank.connect();
    return device.converse(link, "module", async (conversation) => {
      await conversation.command(command.payNotes(places, memoBytes(REFRESH_MEMO)));
      return runTransfer(device, conversation, {});
    });
  });
}

/** Withdraws all that the bank owes this module, and adds it to `back`; `known`: what it must owe, if it does not say. */
async function collect(device: Device, bank: BankConnection, known: readonly Money[], back: Money[]): Promise<void> {
  await settleOpen(device, bank);
  const owed = (await bank.refreshOwed?.(device.module.idHex)) ?? sumsOf(known);
  for (const money of owed) back.push((await withdraw(device, bank, REFRESH_MEMO, money)).money);
}

/** What is open may be with this bank, and then the bank does not know yet what it owes. */
async function settleOpen(device: Device, bank: BankConnection): Promise<void> {
  if ((await device.module.pending()).length === 0) return;
  const link = await bank.connectForResume?.();
  if (link !== undefined) await resume(device, link);
}

/** Notes of one unit, at most a packet of them, those that expire first at the front. */
function packetsOf(due: readonly NoteSummary[]): NoteSummary[][] {
  const packets: NoteSummary[][] = [];
  const filling = new Map<string, NoteSummary[]>();
  for (const note of [...due].sort((a, b) => a.expiry_seconds - b.expiry_seconds)) {
    const key = unitKey(note.money.unit);
    const packet = filling.get(key);
    if (packet !== undefined && packet.length < PACKET_NOTES_MAX) {
      packet.push(note);
      continue;
    }
    const next = [note];
    filling.set(key, next);
    packets.push(next);
  }
  return packets;
}

function sumsOf(money: readonly Money[]): Money[] {
  const sums = new Map<string, Money>();
  for (const { unit, amount } of money) {
    const key = unitKey(unit);
    sums.set(key, { unit, amount: (sums.get(key)?.amount ?? 0n) + amount });
  }
  return [...sums.values()];
}

function summary(before: readonly NoteSummary[], after: readonly NoteSummary[], back: readonly Money[]): Refreshed[] {
  const units = new Map([...before, ...after].map(({ money: { unit } }) => [unitKey(unit), unit]));
  return [...units].map(([key, unit]) => {
    const of = (notes: readonly NoteSummary[]) =>
      notes.filter((note) => note.spendable && unitKey(note.money.unit) === key);
    return {
      unit,
      amount: back.reduce((sum, money) => (unitKey(money.unit) === key ? sum + money.amount : sum), 0n),
      notesBefore: of(before).length,
      notesAfter: of(after).length,
      lapsed: of(after).reduce((sum, note) => (note.rests.lapsed ? sum + note.money.amount : sum), 0n),
    };
  });
}
