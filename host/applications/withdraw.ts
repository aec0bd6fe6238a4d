/** Withdraws from an account at the bank's teller: a payment that the subscriber asks the teller for. */

import { REFRESH_MEMO_HIGH, REFRESH_MEMO_LOW } from "../../firmware/protocol/messages.js";
import { REASON_INSUFFICIENT_FUNDS, REASON_PENDING } from "../../firmware/protocol/reasons.js";
import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import { ReasonError } from "../reasons.js";
import { type Money, sameUnit } from "../units.js";
import { resumeWithTeller } from "./resume.js";
import { memoBytes, type Prompt, runTransfer, type Transfer } from "./transfer.js";

/** Opens connections to a bank: one a transaction. */
export interface BankConnection {
  /** `expected` lets the bank have the notes ready; it promises nothing. */
  connect(expected?: Money): Promise<PeerLink>;
  /** To settle what an earlier connection left open; a bank without it leaves that to the caller. */
  connectForResume?(): PeerLink | Promise<PeerLink>;
  /** What this module paid in to be refreshed and has not had back; a bank without it tells nobody. */
  refreshOwed?(subjectId: string): Promise<readonly Money[]>;
}

/**
 * As the memo of a deposit or a withdrawal: the account on which the bank owes the module in the session what it is having
 * refreshed. No account number of a customer begins so. The module knows it too: only this memo lets money go to a teller
 * without counting against the owner's spending limits.
 */
export const REFRESH_MEMO = refreshMemo();

function refreshMemo(): string {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, REFRESH_MEMO_HIGH);
  bytes.setUint32(4, REFRESH_MEMO_LOW);
  return new TextDecoder().decode(bytes);
}

/** A teller that is short has notes made, and one with something open settles it: then it is asked once more. */
const TRIES_MAX = 3;

export function withdraw(device: Device, bank: BankConnection, account: string, money: Money): Promise<Transfer> {
  return atCounter(device, bank, async () => {
    const link = await bank.connect(money);
    return device.converse(link, "module", async (conversation) => {
      await conversation.command(command.withdraw(money, memoBytes(account)));
      const verify = (prompt: Prompt) =>
        prompt.money.amount === money.amount && sameUnit(prompt.money.unit, money.unit);
      return runTransfer(device, conversation, { verify });
    });
  });
}

/** Does business with a teller, and what stands in its way and can be settled is settled first. */
export async function atCounter(
  device: Device,
  bank: BankConnection,
  business: () => Promise<Transfer>,
): Promise<Transfer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await business();
    } catch (error) {
      if (!(error instanceof ReasonError) || tries === TRIES_MAX) throw error;
      const reconnected = error.reason === REASON_PENDING ? await bank.connectForResume?.() : undefined;
      if (reconnected !== undefined) await resumeWithTeller(device, reconnected);
      else if (!(error.reason === REASON_INSUFFICIENT_FUNDS && error.byPeer)) throw error;
    }
  }
}
