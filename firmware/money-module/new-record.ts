/** The pending record of the payment under way, as it begins: offered at the payer, in doubt at the payee. */

import { ROLE_TRANSACTION } from "../protocol/kinds";
import { peerCertificate } from "../lib/establish";
import { elementRole } from "../lib/identity";
import { FLAG_ACKNOWLEDGED, FLAG_AGENT, pendingNew, pendingSetFlag, pendingSetMemo } from "./pending";
import * as T from "./transaction";
import { t } from "./transaction";

/** Without agent, and no bank behind this module, nobody beside it has to store the outcome. */
export function newRecord(state: u32): void {
  pendingNew(state, T.payId, peerCertificate.id, t.currency, t.exponent, t.amount);
  pendingSetMemo(T.memo, t.memoLength);
  if (t.viaAgent != 0) pendingSetFlag(FLAG_AGENT);
  else if (elementRole() == ROLE_TRANSACTION) pendingSetFlag(FLAG_ACKNOWLEDGED);
}
