/** Pays another module (fig. 12 without agents): the payer names the amount, or pays what the payee states. */

import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import type { Money } from "../units.js";
import { type Decision, memoBytes, type Prompt, runTransfer, type Transfer } from "./transfer.js";

export interface PayOptions {
  readonly memo?: string;
  /** The payee refused the amount: another one, or undefined to give up. */
  readonly newAmount?: () => Money | undefined | Promise<Money | undefined>;
}

export function pay(device: Device, link: PeerLink, money: Money, options: PayOptions = {}): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.command(command.pay(money, memoBytes(options.memo)));
    return runTransfer(device, conversation, options.newAmount === undefined ? {} : { newAmount: options.newAmount });
  });
}

/** Pays what the payee asks for, if the owner agrees (point of sale: the payee states the amount first). */
export function payRequested(
  device: Device,
  link: PeerLink,
  agree: (prompt: Prompt) => Decision | Promise<Decision>,
): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.command(command.payRequested());
    return runTransfer(device, conversation, { requested: agree });
  });
}
