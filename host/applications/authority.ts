/** Issues credentials (fig. 4, Create Credential): the authority's host decides on the owner, its agent makes the ticket. */

import { REASON_DECLINED } from "../../firmware/protocol/reasons.js";
import type { CborValue } from "../codec/cbor.js";
import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import type { NoticeOf } from "../notices.js";
import { ReasonError } from "../reasons.js";

export interface Grant {
  /** Until when the ticket is good. */
  readonly expiry_seconds: number;
  /** By type (docs/PROTOCOLS.md): a credential's name and expiry, a card's fields. */
  readonly components: readonly CborValue[];
}

/** Who may have what; undefined refuses. */
export type GrantDecision = (asked: NoticeOf<"grant">) => Grant | undefined | Promise<Grant | undefined>;

/** Once, after personalisation: the authority's own credential, from the name in its certificate. */
export function createOwnCredential(device: Device): Promise<void> {
  return device.converse(undefined, "agent", async (conversation) => {
    await conversation.command(command.createOwn());
    for (;;) {
      const { notice } = await conversation.next();
      if (notice.name === "aborted") throw new ReasonError(notice.reason, notice.byPeer);
      if (notice.name === "done" || notice.name === "acquired" || notice.name === "issued") return;
    }
  });
}

/** Serves one requester. */
export function issueCredential(device: Device, link: PeerLink, decide: GrantDecision): Promise<NoticeOf<"issued">> {
  return device.converse(link, "agent", async (conversation) => {
    await conversation.prepare(command.issue());
    const asked = await conversation.expect("grant");
    const grant = await decide(asked);
    if (grant === undefined) await conversation.command(command.no(REASON_DECLINED));
    else await conversation.command(command.grant(grant.expiry_seconds, grant.components));
    return conversation.expect("issued");
  });
}
