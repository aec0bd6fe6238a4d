/** Receives a payment of another module: what the payer proposes, or an amount that the payee states first. */

import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import { type Money, sameUnit } from "../units.js";
import { type Decision, memoBytes, type Prompt, runTransfer, type Transfer } from "./transfer.js";

/** Waits for a payer, and receives what the owner agrees to. */
export function receive(
  device: Device,
  link: PeerLink,
  agree: (prompt: Prompt) => Decision | Promise<Decision> = () => true,
): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.prepare(command.listen());
    return runTransfer(device, conversation, { verify: agree });
  });
}

/** Asks whoever connects for this amount (point of sale), and receives that and nothing else, from whoever is welcome. */
export function request(
  device: Device,
  link: PeerLink,
  money: Money,
  memo?: string,
  isWelcome: (peer: Uint8Array) => boolean = () => true,
): Promise<Transfer> {
  return device.converse(link, "module", async (conversation) => {
    await conversation.prepare(command.request(money, memoBytes(memo)));
    const verify = (prompt: Prompt) => prompt.money.amount === money.amount && sameUnit(prompt.money.unit, money.unit);
    return runTransfer(device, conversation, { verify, session: isWelcome });
  });
}
