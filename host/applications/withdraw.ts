/** Withdraws from an account at the bank's teller: a payment that the subscriber asks the teller for. */

import { REASON_INSUFFICIENT_FUNDS } from "../../firmware/protocol/reasons.js";
import { command } from "../commands.js";
import type { PeerLink } from "../communications.js";
import type { Device } from "../device.js";
import { ReasonError } from "../reasons.js";
import { type Money, sameUnit } from "../units.js";
import { memoBytes, type Prompt, runTransfer, type Transfer } from "./transfer.js";

/** Opens connections to a bank: one a transaction. */
export interface BankConnection {
  /** `expected` lets the bank have the notes ready; it promises nothing. */
  connect(expected?: Money): Promise<PeerLink>;
}

/** A teller that is short says so, has notes made, and is asked once more. */
const TRIES_MAX = 2;

export async function withdraw(device: Device, bank: BankConnection, account: string, money: Money): Promise<Transfer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await withdrawOnce(device, await bank.connect(money), account, money);
    } catch (error) {
      const short = error instanceof ReasonError && error.byPeer && error.reason === REASON_INSUFFICIENT_FUNDS;
      if (!short || tries === TRIES_MAX) throw error;
    }
  }
}

function withdrawOnce(device: Device, link: PeerLink, account: string, money: Money): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.command(command.withdraw(money, memoBytes(account)));
    const verify = (prompt: Prompt) => prompt.money.amount === money.amount && sameUnit(prompt.money.unit, money.unit);
    return runTransfer(device, conversation, { verify });
  });
}
