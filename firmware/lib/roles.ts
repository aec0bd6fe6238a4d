/** The matrix of docs/PROTOCOLS.md, section 2: who may open a session with whom, for what. */

import {
  PURPOSE_OUTCOME,
  PURPOSE_PAIRING,
  PURPOSE_TRANSACTION,
  ROLE_AUTHORITY,
  ROLE_CUSTOMER,
  ROLE_GENERATOR,
  ROLE_MERCHANT,
  ROLE_TELLER,
  ROLE_TRANSACTION,
  TREE_AGENTS,
  TREE_MODULES,
} from "../protocol/kinds";

export function mayMeet(initiator: i32, responder: i32, purpose: i32): bool {
  if (purpose == PURPOSE_PAIRING) return initiator >> 4 == TREE_AGENTS && responder >> 4 == TREE_MODULES;
  if (purpose != PURPOSE_TRANSACTION && purpose != PURPOSE_OUTCOME) return false;
  switch (initiator) {
    case ROLE_CUSTOMER:
      return purpose == PURPOSE_TRANSACTION && (responder == ROLE_MERCHANT || responder == ROLE_AUTHORITY);
    case ROLE_MERCHANT:
      return purpose == PURPOSE_TRANSACTION && responder == ROLE_AUTHORITY;
    case ROLE_TRANSACTION:
      return responder == ROLE_TRANSACTION || responder == ROLE_TELLER;
    case ROLE_TELLER:
      return responder == ROLE_GENERATOR;
    default:
      return false;
  }
}
