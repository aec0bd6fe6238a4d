/**
 * ISO/IEC 7816-4 at the applet's edge: short and extended length, command chaining, GET RESPONSE.
 *
 *     short     CLA INS P1 P2 [Lc data] [Le]
 *     extended  CLA INS P1 P2 00 LcHi LcLo data [LeHi LeLo]   or   CLA INS P1 P2 00 LeHi LeLo
 *
 * `apduReceive` leaves the header in the variables below and the data in INBOUND. The command writes its response data
 * to IO and says how much there is; `apduRespond` cuts it to what the host can take and keeps the rest for GET RESPONSE.
 */

import { IO, INBOUND, INBOUND_BYTES, load16, store16 } from "./io";
import { IO_BYTES } from "../protocol/limits";
import {
  CLA_CHAIN,
  INS_GET_RESPONSE,
  SW_CLA_UNSUPPORTED,
  SW_CONDITIONS,
  SW_LAST_CHAIN_EXPECTED,
  SW_MORE,
  SW_OK,
  SW_WRONG_LENGTH,
} from "../protocol/apdu";

/** `apduReceive`: the command is complete, carry it out. */
export const APDU_COMPLETE: i32 = 0;
/** `apduReceive`: this was GET RESPONSE, and it has been answered; the response's length is `apduAnswered`. */
export const APDU_ANSWERED: i32 = -1;

export let apduClass: i32 = 0;
export let apduInstruction: i32 = 0;
export let apduP1: i32 = 0;
export let apduP2: i32 = 0;
/** Bytes of data in INBOUND. */
export let apduLength: u32 = 0;
/** Length of the response to a GET RESPONSE. */
export let apduAnswered: i32 = 0;

/** Most response bytes that the host asked for. */
let expected: u32 = 0;
/** Bytes collected of a chain that is not complete; meaningful while `chaining`. */
let collected: u32 = 0;
let chaining: bool = false;
let chainHeader: u32 = 0;
/** What GET RESPONSE has yet to give, in INBOUND from `restAt`. */
let restLength: u32 = 0;
let restAt: u32 = 0;
let restStatus: i32 = 0;

/** After power-up nothing is left of a chain or a response. */
export function apduReset(): void {
  chaining = false;
  restLength = 0;
}

/** Takes the command of `length` bytes in IO: APDU_COMPLETE, APDU_ANSWERED, or the status word that refuses it. */
export function apduReceive(length: u32): i32 {
  if (length < 4 || length > <u32>IO_BYTES) return refuse(SW_WRONG_LENGTH);
  const header = load<u8>(IO);
  apduClass = header & ~CLA_CHAIN;
  apduInstruction = load<u8>(IO, 1);
  apduP1 = load<u8>(IO, 2);
  apduP2 = load<u8>(IO, 3);
  // Logical channels and secure messaging are for other cards.
  if ((apduClass & 0x7f) != 0) return refuse(SW_CLA_UNSUPPORTED);
  const body = parseBody(length);
  if (body < 0) return refuse(SW_WRONG_LENGTH);
  const dataAt = <u32>body;
  if (apduClass == 0 && apduInstruction == INS_GET_RESPONSE && (header & CLA_CHAIN) == 0) return getResponse();
  restLength = 0;
  return collect(dataAt, (header & CLA_CHAIN) != 0);
}

/** Where the data starts; its length goes to `apduLength`, Le to `expected`. -1: lengths that do not fit. */
function parseBody(length: u32): i32 {
  apduLength = 0;
  expected = 0;
  if (length == 4) return 4;
  const first: u32 = load<u8>(IO, 4);
  if (length == 5) {
    expected = first == 0 ? 256 : first;
    return 5;
  }
  if (first != 0) {
    if (length != 5 + first && length != 6 + first) return -1;
    apduLength = first;
    if (length == 6 + first) {
      const le: u32 = load<u8>(IO + 5 + first);
      expected = le == 0 ? 256 : le;
    }
    return 5;
  }
  if (length < 7) return -1;
  const long = load16(IO + 5);
  if (length == 7) {
    expected = long == 0 ? 65536 : long;
    return 7;
  }
  if (long == 0 || (length != 7 + long && length != 9 + long)) return -1;
  apduLength = long;
  if (length == 9 + long) {
    const le = load16(IO + 7 + long);
    expected = le == 0 ? 65536 : le;
  }
  return 7;
}

/** Adds the data of this command to its chain; all but the last link are answered at once. */
function collect(dataAt: u32, more: bool): i32 {
  const header = ((<u32>apduClass) << 24) | ((<u32>apduInstruction) << 16) | ((<u32>apduP1) << 8) | (<u32>apduP2);
  if (chaining && header != chainHeader) {
    chaining = false;
    return SW_LAST_CHAIN_EXPECTED;
  }
  if (!chaining) collected = 0;
  if (apduLength > INBOUND_BYTES - collected) return refuse(SW_WRONG_LENGTH);
  memory.copy(INBOUND + collected, IO + dataAt, apduLength);
  collected += apduLength;
  chaining = more;
  chainHeader = header;
  if (more) return SW_OK;
  apduLength = collected;
  return APDU_COMPLETE;
}

function refuse(status: i32): i32 {
  chaining = false;
  restLength = 0;
  return status;
}

/** The response: `length` bytes at IO and a status word. Returns the whole length, of which IO then holds every byte. */
export function apduRespond(length: u32, status: i32): i32 {
  assert(length + 2 <= <u32>IO_BYTES);
  // A host that sent no Le, as T=0 does, fetches what there is by GET RESPONSE.
  if (length <= expected) return finish(length, status);
  assert(length <= INBOUND_BYTES);
  memory.copy(INBOUND, IO, length);
  restAt = 0;
  restLength = length;
  restStatus = status;
  if (expected == 0) return finish(0, moreStatus());
  return giveRest(expected);
}

/** Whether the host gave an Le: it takes response data with this answer. */
export function apduTakesData(): bool {
  return expected > 0;
}

function getResponse(): i32 {
  if (apduLength != 0) return refuse(SW_WRONG_LENGTH);
  if (restLength == 0) return refuse(SW_CONDITIONS);
  chaining = false;
  apduAnswered = giveRest(expected < restLength ? expected : restLength);
  return APDU_ANSWERED;
}

function giveRest(length: u32): i32 {
  assert(length <= restLength);
  memory.copy(IO, INBOUND + restAt, length);
  restAt += length;
  restLength -= length;
  return finish(length, restLength == 0 ? restStatus : moreStatus());
}

function moreStatus(): i32 {
  return SW_MORE | (restLength < 256 ? <i32>restLength : 0);
}

function finish(length: u32, status: i32): i32 {
  store16(IO + length, <u32>status);
  return <i32>length + 2;
}
