/**
 * Routing between the modules through their agents (WO 96/41315 fig. 15, Send Routed Message, and fig. 19, Send E-Routed
 * Message): what the own module has for the other comes over the link and leaves under TA/TA, and the other way round
 * (fig. 9, 16 and 17). An agent cannot read what it routes: it is sealed between the modules.
 */

import { AGENT_INNER, LINK_INNER } from "../protocol/messages";
import { REASON_MALFORMED } from "../protocol/reasons";
import { compose, composeInner, incomingEnd, incomingInner, incoming, sendToModule, sendToPeer } from "./messages";
import { STATE_CONFIRM, STATE_IDLE, stateNow, stateSet } from "./states";

/** To the module at the other end: steps 644-650, 680-686. */
export function forwardInner(inner: usize, length: u32): i32 {
  compose(AGENT_INNER, 2);
  composeInner(inner, length);
  return sendToPeer();
}

/** AGENT_INNER: to the own module, steps 650-656, 684-690. */
export function routeToModule(): i32 {
  const inner = incomingInner();
  const length = incoming.length;
  const result = incomingEnd(2);
  if (result < 0 || inner == 0) return -REASON_MALFORMED;
  compose(LINK_INNER, 2);
  composeInner(inner, length);
  // A payer that has committed hands its module the confirmation, and that is all.
  if (stateNow() == STATE_CONFIRM) stateSet(STATE_IDLE);
  return sendToModule();
}
