/**
 * The money module: tamper-proof element that holds and moves electronic notes. Its role, transaction, teller or generator,
 * is in its certificate.
 *
 * What enters: a command in the I/O buffer. What leaves: the response. Read transaction.ts first, then module.ts; a payment
 * from its first message to its last is payment.ts, transfer-notes.ts, receive-notes.ts, commit.ts.
 */

import {
  AID_MONEY_MODULE,
  INS_ENVELOPE,
  INS_GET_DATA,
  INS_PUT_DATA,
  INS_READ_RECORD,
  INS_STORE_DATA,
  PUT_DATA_LIMIT,
  SW_CONDITIONS,
  SW_INS_UNSUPPORTED,
  SW_REFERENCED_DATA_NOT_FOUND,
  SW_WRONG_DATA,
  SW_WRONG_P1P2,
} from "../protocol/apdu";
import { IO_BYTES } from "../protocol/limits";
import { ROLE_GENERATOR, TREE_MODULES } from "../protocol/kinds";
import { apduInstruction, apduLength, apduP1, apduP2 } from "../lib/apdu";
import { commandEnd, commandTake, commonBoot, NOT_COMMON } from "../lib/dispatcher";
import { elementRole } from "../lib/identity";
import { INBOUND, IO } from "../lib/io";
import { PARAMETERS_BYTES_MAX, parametersPut } from "../lib/personalise";
import { envelope } from "./dispatch";
import { moduleBoot } from "./module";
import { getData, readRecord } from "./inquiries";
import { directoryLoad } from "./note-directory";
import { parametersRead } from "./note-issue";
import { trailLoad } from "./note-tree";
import { counterLoad } from "./pending";
import { limitsReset } from "./spending-limits";
import { spendingOrder } from "./spending-order";
import { taintBoot } from "./taint";

/** Address of the I/O buffer. */
export function buffer(): usize {
  return IO;
}

export function bufferSize(): i32 {
  return IO_BYTES;
}

/** After power-up, before the first command. What cannot be read makes every command answer 6581. */
export function boot(): i32 {
  const status = commonBoot();
  if (status < 0) return status;
  counterLoad();
  trailLoad();
  limitsReset();
  const loaded = directoryLoad();
  if (loaded < 0) return loaded;
  taintBoot();
  return moduleBoot();
}

/** The command of `length` bytes in the I/O buffer; the length of the response that is there afterwards. */
export function command(length: i32): i32 {
  const done = commandTake(length, AID_MONEY_MODULE, TREE_MODULES);
  return done == NOT_COMMON ? commandEnd(ownCommand()) : done;
}

function ownCommand(): i32 {
  switch (apduInstruction) {
    case INS_ENVELOPE:
      return apduP1 == 0 && apduP2 == 0 ? envelope(INBOUND, apduLength) : SW_WRONG_P1P2;
    case INS_GET_DATA:
      return getData((apduP1 << 8) | apduP2);
    case INS_PUT_DATA:
      if (((apduP1 << 8) | apduP2) != PUT_DATA_LIMIT) return SW_REFERENCED_DATA_NOT_FOUND;
      return spendingOrder(apduLength);
    case INS_READ_RECORD:
      return readRecord(apduP1, apduP2);
    case INS_STORE_DATA:
      return storeParameters();
    default:
      return SW_INS_UNSUPPORTED;
  }
}

/** STORE DATA, parameters: a generator's issuer and validities, nothing for the others. */
function storeParameters(): i32 {
  if (elementRole() == 0) return SW_CONDITIONS;
  if (apduLength > PARAMETERS_BYTES_MAX) return SW_WRONG_DATA;
  if (elementRole() == ROLE_GENERATOR) {
    if (parametersRead(INBOUND, apduLength) < 0) return SW_WRONG_DATA;
  } else if (apduLength != 1 || load<u8>(INBOUND) != 0x80) {
    return SW_WRONG_DATA;
  }
  return parametersPut(INBOUND, apduLength);
}
