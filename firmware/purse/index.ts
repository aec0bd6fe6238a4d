/**
 * The token purse (EP 0 833 285 A2, docs/TOKENS.md): the buyer's chip. It asks issuers for tokens for one seller at a
 * time, and spends them by showing its halves. Read purse.ts first, then request.ts, install.ts, spend.ts, close.ts
 * beside figures 2, 6, 7, 10.
 */

import { apduInstruction, apduLength, apduP1, apduP2 } from "../lib/apdu";
import { commandEnd, commandTake, commonBoot, NOT_COMMON } from "../lib/dispatcher";
import { elementRole } from "../lib/identity";
import { INBOUND, IO } from "../lib/io";
import { parametersPut } from "../lib/personalise";
import {
  AID_PURSE,
  INS_ENVELOPE,
  INS_READ_RECORD,
  INS_STORE_DATA,
  SW_CONDITIONS,
  SW_REFERENCED_DATA_NOT_FOUND,
  SW_WRONG_DATA,
  SW_WRONG_P1P2,
} from "../protocol/apdu";
import { ROLE_PURSE, TREE_AGENTS } from "../protocol/kinds";
import { IO_BYTES } from "../protocol/limits";
import { dispatchReset, envelope } from "./dispatch";
import { readRecord } from "./read-record";

/** An empty CBOR array: purses have no parameters. */
const NO_PARAMETERS: u8 = 0x80;

/** Address of the I/O buffer. */
export function buffer(): usize {
  return IO;
}

export function bufferSize(): i32 {
  return IO_BYTES;
}

/** After power-up, before the first command. What cannot be read makes every command answer 6581. */
export function boot(): i32 {
  dispatchReset();
  return commonBoot();
}

/** One command APDU of `length` bytes in the buffer; the length of the response that replaces it. */
export function command(length: i32): i32 {
  const done = commandTake(length, AID_PURSE, TREE_AGENTS);
  return done == NOT_COMMON ? commandEnd(ownCommand()) : done;
}

function ownCommand(): i32 {
  switch (apduInstruction) {
    case INS_ENVELOPE:
      return apduP1 == 0 && apduP2 == 0 ? envelope(INBOUND, apduLength) : SW_WRONG_P1P2;
    case INS_READ_RECORD:
      return readRecord(apduP1, apduP2);
    case INS_STORE_DATA:
      return noParameters();
    default:
      return SW_REFERENCED_DATA_NOT_FOUND;
  }
}

/** Also where a chip that was given keys for another role stops: what has no parameters is never personalised. */
function noParameters(): i32 {
  if (elementRole() != ROLE_PURSE) return SW_CONDITIONS;
  if (apduLength != 1 || load<u8>(INBOUND) != NO_PARAMETERS) return SW_WRONG_DATA;
  return parametersPut(INBOUND, apduLength);
}
