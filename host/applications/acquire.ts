/** Acquires a credential from an authority (fig. 4): a merchant's credential, a customer's card. */

import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import { ReasonError } from "../reasons.js";

export interface Acquired {
  readonly ticketIndex: number;
  readonly ticketType: number;
}

export function acquire(device: Device, link: PeerLink, ticketType: number): Promise<Acquired> {
  return device.converse(link, "agent", async (conversation) => {
    await conversation.command(command.acquire(ticketType));
    let acquired: Acquired | undefined;
    for (;;) {
      const { notice } = await conversation.next();
      if (notice.name === "aborted") throw new ReasonError(notice.reason, notice.byPeer);
      if (notice.name === "acquired") acquired = notice;
      if (notice.name === "done" || notice.name === "acquired") break;
    }
    if (acquired === undefined) acquired = await conversation.expect("acquired");
    return { ticketIndex: acquired.ticketIndex, ticketType: acquired.ticketType };
  });
}
