/** What every application of a money module alone has in common: how a conversation of a payer or payee runs. */

import { REASON_DECLINED } from "../../firmware/protocol/reasons.js";
import { equalBytes } from "../codec/bytes.js";
import { command } from "../commands.js";
import type { Conversation, Device } from "../device.js";
import type { Notice, NoticeOf } from "../notices.js";
import { ReasonError } from "../reasons.js";
import { StatusWordError } from "../status-words.js";
import { formatMoney, type Money } from "../units.js";

export interface Transfer {
  readonly payId: Uint8Array;
  readonly peer: Uint8Array;
  readonly money: Money;
  readonly memo: Uint8Array | null;
  /** As payer: the payee has confirmed. Without it the payment stands, and the two settle when they meet again. */
  readonly confirmed: boolean;
}

export interface Prompt {
  readonly peer: Uint8Array;
  readonly money: Money;
  readonly memo: Uint8Array | null;
}

/** The owner's, the bank's or a till's answer to a prompt: true, or false, or a reason of the firmware. */
export type Decision = boolean | number;

export interface TransferHandlers {
  /** A session with this module is open: is it to go on? */
  session?(peer: Uint8Array): boolean;
  /** As payee: shall this be received? */
  verify?(prompt: Prompt): Decision | Promise<Decision>;
  /** As payer: the peer asks to be paid this. */
  requested?(prompt: Prompt): Decision | Promise<Decision>;
  /** A prompt that is answered with more than yes: the envelope, or a refusal. */
  answerRequest?(prompt: Prompt): Uint8Array | Promise<Uint8Array>;
  /** As payer: the payee refused the amount; a new one, or undefined to give up. */
  newAmount?(): Money | undefined | Promise<Money | undefined>;
  /** The transfer is stored in the module: books that follow it are posted before the module may forget. */
  committed?(transfer: NoticeOf<"sent" | "received">): void | Promise<void>;
}

/**
 * Nobody knows yet whether the payer committed. The notes are kept, unspendable, until the two meet again.
 */
export class TransferInDoubtError extends Error {
  readonly payId: Uint8Array;
  readonly peer: Uint8Array;
  readonly money: Money;

  constructor(doubt: NoticeOf<"doubt">) {
    super(
      `The connection broke at the last step, so it is not known yet whether ${formatMoney(doubt.money)} were paid. ` +
        "The notes are kept safe and cannot be spent by either side meanwhile. Connect to the payer again and resume.",
    );
    this.name = "TransferInDoubtError";
    this.payId = doubt.payId;
    this.peer = doubt.peer;
    this.money = doubt.money;
  }
}

/** Runs a module's conversation, after its first command, until the transfer is done. */
export async function runTransfer(
  device: Device,
  conversation: Conversation,
  handlers: TransferHandlers,
): Promise<Transfer> {
  for (;;) {
    const { notice } = await conversation.next();
    if (notice.name !== "sent" && notice.name !== "received") {
      await react(conversation, notice, handlers);
      continue;
    }
    await handlers.committed?.(notice);
    // The payer's module still waits for the confirmation; without it the payment stands all the same. Who is paid has the
    // last word.
    if (notice.name === "sent") {
      await conversation.quiet();
      conversation.close();
    } else conversation.expectNothing();
    await forget(device, notice.payId);
    const open = await device.module.pending();
    const mine = open.find((pending) => equalBytes(pending.payId, notice.payId));
    return { ...notice, confirmed: mine === undefined || mine.confirmed };
  }
}

/** The module may forget a payment whose outcome its host has recorded; one that already has says that it is not there. */
async function forget(device: Device, payId: Uint8Array): Promise<void> {
  try {
    await device.manager.command("module", command.forget(payId));
  } catch (error) {
    if (!(error instanceof StatusWordError)) throw error;
  }
}

async function react(conversation: Conversation, notice: Notice, handlers: TransferHandlers): Promise<void> {
  switch (notice.name) {
    case "session":
      return handlers.session?.(notice.peer) === false ? conversation.command(command.cancel()) : undefined;
    case "verify":
      return answer(conversation, await (handlers.verify?.(notice) ?? false));
    case "requested":
      if (handlers.answerRequest !== undefined) return conversation.command(await handlers.answerRequest(notice));
      return answer(conversation, await (handlers.requested?.(notice) ?? false));
    case "new-amount": {
      const money = await handlers.newAmount?.();
      return conversation.command(money === undefined ? command.cancel() : command.amount(money));
    }
    case "aborted":
      throw new ReasonError(notice.reason, notice.byPeer);
    case "doubt":
      throw new TransferInDoubtError(notice);
    default:
      return undefined;
  }
}

function answer(conversation: Conversation, decision: Decision): Promise<void> {
  if (decision === true) return conversation.command(command.yes());
  return conversation.command(command.no(decision === false ? REASON_DECLINED : decision));
}

/** Text of a memo, for people. */
export function memoText(memo: Uint8Array | null): string {
  return memo === null ? "" : new TextDecoder().decode(memo);
}

export function memoBytes(text: string | undefined): Uint8Array | null {
  return text === undefined || text === "" ? null : new TextEncoder().encode(text);
}
