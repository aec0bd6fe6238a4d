/**
 * Two elements that meet pass on the newer bad-id list (docs/PROTOCOLS.md, section 3): both told their versions in the
 * handshake, and when these differ each end sends one LIST before the responder acknowledges:
 *
 *     responder   LIST   its list, or null
 *     initiator   LIST   its list, or null
 *
 * Whoever told the older version says null. A list is taken as from PUT DATA. One that is not valid or not newer is ignored,
 * and the session goes on: a peer must not be able to end it in another way than by leaving, and the list that is here stays.
 */

import { ENVELOPE_BYTES_MAX } from "../protocol/limits";
import { REASON_MALFORMED, REASON_STORE_FAILURE } from "../protocol/reasons";
import { badIdsSaysNewer, badIdsSigned, badIdsSignedLength, badIdsTake } from "./bad-ids";
import { Reader, Writer } from "./cbor";
import { ownListIsNewer, peerListed } from "./establish";

/** The item after the number of a LIST: 0, or an error of the store. */
export function listWrite(w: Writer): i32 {
  const length = ownListIsNewer() ? badIdsSignedLength() : 0;
  if (length == 0) {
    w.nil();
    return 0;
  }
  w.bytesHeader(length);
  const room = w.reserve(length);
  return room == 0 ? 0 : badIdsSigned(room);
}

/**
 * The same item of the peer's LIST, the last of the message. 0: the session goes on. -REASON_BAD_ID: the peer is on the list that
 * it has just brought. No public-key operation unless there is a list that says that it is newer.
 */
export function listTake(r: Reader): i32 {
  if (r.isNil()) return r.finish() < 0 ? -REASON_MALFORMED : 0;
  const list = r.bytes(0, ENVELOPE_BYTES_MAX);
  const length = r.length;
  if (r.finish() < 0) return -REASON_MALFORMED;
  if (!badIdsSaysNewer(list, length)) return 0;
  const taken = badIdsTake(list, length);
  // A chip that cannot write goes no further; everything else that is wrong is wrong with the list.
  if (taken < 0) return taken > -100 || taken == -REASON_STORE_FAILURE ? taken : 0;
  return peerListed();
}
