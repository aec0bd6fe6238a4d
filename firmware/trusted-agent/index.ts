/**
 * Trusted agent: holds tickets and runs purchases (WO 96/41315 fig. 4A). One applet for customer, merchant and authority;
 * which of them it is its certificate says. Read states.ts first, then purchase-customer.ts and purchase-merchant.ts beside
 * figure 7, then payment.ts beside figure 12.
 */

import { apduInstruction, apduLength, apduP1, apduP2 } from "../lib/apdu";
import { commandEnd, commandTake, commonBoot, NOT_COMMON } from "../lib/dispatcher";
import { parametersPut } from "../lib/personalise";
import { INBOUND, IO } from "../lib/io";
import {
  AID_TRUSTED_AGENT,
  INS_ENVELOPE,
  INS_READ_RECORD,
  INS_STORE_DATA,
  SW_REFERENCED_DATA_NOT_FOUND,
  SW_WRONG_DATA,
  SW_WRONG_P1P2,
} from "../protocol/apdu";
import { TREE_AGENTS } from "../protocol/kinds";
import { IO_BYTES } from "../protocol/limits";
import { acknowledgeReset } from "./acknowledge";
import { envelope } from "./dispatch";
import { outcomeLogLoad } from "./outcome-log";
import { pendingForget } from "./pending";
import { readRecord } from "./read-record";
import { transactionEnd } from "./transaction";

/** An empty CBOR array: agents have no parameters. */
const NO_PARAMETERS: u8 = 0x80;

export function buffer(): usize {
  return IO;
}

export function bufferSize(): i32 {
  return IO_BYTES;
}

export function boot(): i32 {
  transactionEnd();
  pendingForget();
  acknowledgeReset();
  const status = commonBoot();
  if (status >= 0) outcomeLogLoad();
  return status;
}

/** One command APDU of `length` bytes in the buffer; the length of the response that replaces it. */
export function command(length: i32): i32 {
  const done = commandTake(length, AID_TRUSTED_AGENT, TREE_AGENTS);
  return done == NOT_COMMON ? commandEnd(ownCommand()) : done;
}

function ownCommand(): i32 {
  switch (apduInstruction) {
    case INS_ENVELOPE:
      return apduP1 == 0 && apduP2 == 0 ? envelope(apduLength) : SW_WRONG_P1P2;
    case INS_READ_RECORD:
      return readRecord(apduP1, apduP2, apduLength);
    case INS_STORE_DATA:
      return noParameters();
    default:
      return SW_REFERENCED_DATA_NOT_FOUND;
  }
}

function noParameters(): i32 {
  if (apduLength != 1 || load<u8>(INBOUND) != NO_PARAMETERS) return SW_WRONG_DATA;
  return parametersPut(INBOUND, apduLength);
}
