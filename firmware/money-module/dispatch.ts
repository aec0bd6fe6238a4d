/**
 * ENVELOPE: who sent it, what kind it is, and who takes it: the host's commands (host.ts), the own agent's link (agent.ts), the
 * peer (module.ts), pairing. The answer is a status word.
 */

import { SW_CONDITIONS, SW_NOT_ALLOWED, SW_WRONG_DATA } from "../protocol/apdu";
import * as M from "../protocol/messages";
import { QUERIES_MAX } from "../protocol/limits";
import { REASON_REPEAT, REASON_TIMEOUT, REASON_UNEXPECTED } from "../protocol/reasons";
import { isUsable, statusWaiting } from "../lib/dispatcher";
import { outboxAdd, outboxClear, outboxRewind } from "../lib/envelope";
import { sessionPurpose } from "../lib/establish";
import { linkAnswer, linkOpen, LINK_RANDOM_BYTES, linkTakeAsk } from "../lib/link";
import { isPairing, pairTake } from "../lib/pairing";
import { pinVerified } from "../lib/pin";
import { abandonTransaction, abortTransaction } from "./abort";
import { agentTake } from "./agent";
import { hostTake } from "./host";
import * as T from "./transaction";
import { t } from "./transaction";
import { innerTake, orAbort, verdict } from "./module";

/** ENVELOPE: source address, kind, body. */
export function envelope(data: usize, length: u32): i32 {
  if (length < 2) return SW_WRONG_DATA;
  const source: i32 = load<u8>(data);
  const kind: i32 = load<u8>(data, 1);
  const body = data + 2;
  const bodyLength = length - 2;
  if (source == M.ADDRESS_HOST && kind == M.KIND_HOST) return hostTake(body, bodyLength);
  if (source == M.ADDRESS_HOST && kind == M.KIND_TIMEOUT && bodyLength == 0) return timeout();
  if (source == M.ADDRESS_AGENT && kind == M.KIND_HANDSHAKE && isPairing(sessionPurpose())) {
    return verdict(pairTake(body, bodyLength));
  }
  if (!isUsable()) return SW_CONDITIONS;
  if (source == M.ADDRESS_AGENT && kind == M.KIND_LINK_OPEN) return verdict(linkAsked(body, bodyLength));
  if (source == M.ADDRESS_AGENT && kind == M.KIND_LINK) return verdict(linkTake(body, bodyLength));
  if (source == M.ADDRESS_PEER && t.viaAgent == 0) return verdict(innerTake(kind, body, bodyLength));
  return SW_NOT_ALLOWED;
}

/** The host says that the awaited reply has not come (text at fig. 6): ask again, in the end give up. */
function timeout(): i32 {
  if (T.isFree()) return SW_NOT_ALLOWED;
  t.queries += 1;
  if (t.queries <= <u32>QUERIES_MAX) {
    outboxRewind();
    return statusWaiting();
  }
  outboxClear();
  return verdict(abortTransaction(REASON_TIMEOUT, false));
}

/** KIND_LINK_OPEN: the agent's random bytes, answered with the module's. */
function linkAsked(body: usize, length: u32): i32 {
  if (!pinVerified()) return -REASON_UNEXPECTED;
  if (!T.isFree() && t.viaAgent == 0) return -REASON_UNEXPECTED;
  const status = linkTakeAsk(body, length);
  if (status < 0) return status;
  outboxClear();
  // A link that opens anew ends what the old one carried: the agent has forgotten it. Nothing is said of that: sealed under
  // the new key and not sent, it would leave a gap in which the agent could open nothing that comes after.
  const ended = T.isFree() ? 0 : abandonTransaction();
  if (ended < 0) return ended;
  outboxAdd(M.ADDRESS_AGENT, M.KIND_LINK_OPEN, linkAnswer(), LINK_RANDOM_BYTES);
  return 0;
}

/** KIND_LINK: opened in place, then by its number (agent.ts); what is wrong in it aborts. */
function linkTake(body: usize, length: u32): i32 {
  const got = linkOpen(body, length);
  if (got < 0) return got;
  outboxClear();
  t.queries = 0;
  const status = agentTake(body + 1, got);
  return status == -REASON_REPEAT ? status : orAbort(status);
}
