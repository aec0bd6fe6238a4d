/**
 * Settles what a broken connection left open: an outcome session between the two money modules, and then, in each
 * device, its agent follows its module (docs/PROTOCOLS.md, Resume).
 */

import { command } from "../commands.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import type { NoticeOf } from "../notices.js";
import { ReasonError } from "../reasons.js";

export interface Settlement {
  readonly committed: number;
  readonly aborted: number;
  /** Payments with other peers, or that this peer could not settle. */
  readonly open: number;
  /** Signed outcomes of the agent, for the card network. */
  readonly outcomes: readonly NoticeOf<"outcome">[];
}

/** Connects to the peer of an open payment and settles it. The payer, or the subscriber before a teller, initiates. */
export function resume(device: Device, link: PeerLink): Promise<Settlement> {
  return settleWithPeer(device, link, true);
}

/** Answers a peer that resumes. */
export function answerResume(device: Device, link: PeerLink): Promise<Settlement> {
  return settleWithPeer(device, link, false);
}

/**
 * As `resume`, with a bank's teller: no agent has to do with that, and the device's own may be in the middle of the very
 * purchase that its module is refilled for.
 */
export async function resumeWithTeller(device: Device, link: PeerLink): Promise<void> {
  await settleModules(device, link, true);
  await forgetSettled(device);
}

async function settleWithPeer(device: Device, link: PeerLink, initiator: boolean): Promise<Settlement> {
  const modules = await settleModules(device, link, initiator);
  const outcomes = device.parts.agent === undefined ? [] : await settleAgent(device);
  if (device.parts.agent === undefined) await forgetSettled(device);
  return { committed: modules.committed, aborted: modules.aborted, open: modules.open, outcomes };
}

function settleModules(device: Device, link: PeerLink, initiator: boolean): Promise<NoticeOf<"settled">> {
  return device.converse(link, "module", async (conversation) => {
    if (initiator) await conversation.command(command.outcome(true));
    else await conversation.prepare(command.outcome(false));
    const settled = await conversation.expect("settled");
    // The initiator has the last word.
    if (!initiator) conversation.close();
    return settled;
  });
}

/**
 * After an outcome session, and after every power loss: the agent asks its module about everything pending. `closed`: told of each
 * receipt that a merchant's agent can conclude only when its host says what the card network said.
 */
export function settleAgent(
  device: Device,
  closed: (receiptHash: Uint8Array) => void = () => undefined,
): Promise<NoticeOf<"outcome">[]> {
  return device.converse(undefined, "agent", async (conversation) => {
    await conversation.command(command.settle());
    const outcomes: NoticeOf<"outcome">[] = [];
    for (;;) {
      const { source, notice } = await conversation.next();
      if (notice.name === "outcome") outcomes.push(notice);
      else if (notice.name === "closed") closed(notice.receiptHash);
      else if (notice.name === "aborted" && source === "agent") throw new ReasonError(notice.reason, notice.byPeer);
      else if (notice.name === "settled" && source === "agent") return outcomes;
    }
  });
}

/** The host of a module without agent has seen the outcomes: the module may forget what the peer has confirmed. */
export async function forgetSettled(device: Device): Promise<void> {
  for (const pending of await device.module.pending()) {
    const over = pending.state === "settled" || (pending.state === "committed" && pending.confirmed);
    if (over && !pending.acknowledged) {
      await device.manager.command("module", command.forget(pending.payId)).catch(() => undefined);
    }
  }
}
