/**
 * Commands that every applet answers alike. An applet's `command` lets `commandTake` try, and carries out itself
 * what is NOT_COMMON.
 */

import { KEY_BYTES, HASH_BYTES } from "../platform/constants";
import { KEY_KIND_EMPTY, KEY_KIND_SECRET } from "../platform/constants";
import { slotGenerate, slotKind } from "../platform/imports";
import * as A from "../protocol/apdu";
import { PROTOCOL_SPOKEN } from "../protocol/kinds";
import { ID_BYTES, IO_BYTES, PIN_DIGITS_MAX } from "../protocol/limits";
import {
  APDU_ANSWERED,
  APDU_COMPLETE,
  apduAnswered,
  apduReceive,
  apduRespond,
  apduClass,
  apduInstruction,
  apduLength,
  apduP1,
  apduP2,
  apduReset,
  apduTakesData,
} from "./apdu";
import { badIdsLoad, badIdsTake, badIdsVersion } from "./bad-ids";
import { clockFloor, clockLoad, clockNow, clockOpen } from "./clock";
import { outboxClear, outboxFetch, outboxRewind, outboxWaiting } from "./envelope";
import {
  elementChain,
  elementChainLength,
  elementId,
  elementRole,
  identityLoad,
  isBlank,
  isTerminated,
  keysWipe,
  lifeState,
  secretsWipe,
} from "./identity";
import { INBOUND, IO, load64 } from "./io";
import { logLoad } from "./log";
import { partnerId, partnerLoad, partnerPresent } from "./partner";
import {
  challenge,
  externalAuthenticate,
  generateKeys,
  personalisationOpen,
  personalisationReset,
  putKey,
  responseNone,
  responseSet,
  setStatus,
  storeData,
  mayStoreData,
  responseLength,
} from "./personalise";
import { pinChange, pinForget, pinTries, pinUnblock, pinVerified, pinVerify } from "./pin";
import { RECORD_PIN, RECORD_PUK } from "./records";
import { SLOT_FORMATTED, SLOT_STORE } from "./slots";
import {
  STORE_BLANK,
  storeDigest,
  storeFormat,
  storeFreeBytes,
  storeFreeRecords,
  storeHousekeeping,
  storeMount,
  storeWear,
  storeAbort,
} from "./store";
import { tlv16, tlv32, tlv32Pair, tlv64, tlv8, tlvBegin, tlvBytes, tlvClose, tlvLength, tlvOpen, tlvRaw } from "./tlv";

/** `commandTake`: the applet itself carries this command out. */
export const NOT_COMMON: i32 = -1;

export const FIRMWARE_VERSION: u32 = 1;
/** Version of the records in the store. */
const STORED_VERSION: u32 = 1;

/** F0 "TALLY". */
const AID = memory.data<u8>([0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59]);
const scratch = memory.data(32, 8);

/** What kept the store from being mounted; every command then answers 6581. */
let failure: i32 = 0;

/** Power-up: everything that is kept is read, everything else forgotten. */
export function commonBoot(): i32 {
  apduReset();
  outboxClear();
  pinForget();
  personalisationReset();
  failure = mount();
  if (failure < 0) return failure;
  failure = identityLoad();
  if (failure >= 0 && isTerminated()) failure = secretsWipe();
  if (failure < 0) return failure;
  clockLoad();
  badIdsLoad();
  logLoad();
  partnerLoad();
  return 0;
}

/** A chip with keys whose store is gone is no longer what its certificate says: its keys go too. */
function mount(): i32 {
  const kind = slotKind(SLOT_FORMATTED);
  if (kind < 0) return kind;
  // Nothing, or a first format that was cut: there is nothing yet that could be lost.
  if (kind == KEY_KIND_EMPTY) return format();
  const status = storeMount(SLOT_STORE);
  if (status != STORE_BLANK) return status;
  const wiped = keysWipe();
  return wiped < 0 ? wiped : format();
}

function format(): i32 {
  let status = slotGenerate(SLOT_STORE, KEY_KIND_SECRET);
  if (status >= 0) status = storeFormat(SLOT_STORE);
  return status < 0 ? status : slotGenerate(SLOT_FORMATTED, KEY_KIND_SECRET);
}

export function isUsable(): bool {
  return failure == 0 && lifeState() == A.LIFE_OPERATIONAL;
}

/** A status word for what has no session and no message to answer with: the store or the platform failed. */
export function statusOf(error: i32): i32 {
  return error > -100 ? A.SW_MEMORY_FAILURE : A.SW_CONDITIONS;
}

/**
 * Takes the command of `length` bytes in IO and answers what every applet answers alike: the length of the response, or
 * NOT_COMMON, and the applet ends it by `commandEnd`.
 */
export function commandTake(length: u32, applet: i32, tree: i32): i32 {
  const received = apduReceive(length);
  if (received == APDU_ANSWERED) return apduAnswered;
  if (received != APDU_COMPLETE) return apduRespond(0, received);
  // What a failed command left open in the store is over: it must not stand in the way of this one.
  storeAbort();
  const status = commonCommand(applet, tree);
  return status == NOT_COMMON ? NOT_COMMON : commandEnd(status);
}

/**
 * The response: what was written to IO, and a status word. A host that sends ENVELOPE with an Le is given the first
 * envelope that waits with it, as if by FETCH.
 */
export function commandEnd(status: i32): i32 {
  const waits = (status & 0xff00) == A.SW_FETCH;
  if (!waits || apduInstruction != A.INS_ENVELOPE || !apduTakesData()) return apduRespond(responseLength, status);
  const length = outboxFetch();
  return apduRespond(length, statusWaiting());
}

/** A status word, or NOT_COMMON. */
function commonCommand(applet: i32, tree: i32): i32 {
  responseNone();
  if (failure < 0) return A.SW_MEMORY_FAILURE;
  if (isTerminated() && apduInstruction != A.INS_SELECT && apduInstruction != A.INS_GET_DATA) return A.SW_CONDITIONS;
  return apduClass == 0 ? isoCommand(applet, tree) : ownCommand();
}

function isoCommand(applet: i32, tree: i32): i32 {
  switch (apduInstruction) {
    case A.INS_SELECT:
      return select(applet);
    case A.INS_VERIFY:
    case A.INS_CHANGE_REFERENCE_DATA:
    case A.INS_RESET_RETRY_COUNTER:
      return referenceData();
    case A.INS_GENERATE_KEY_PAIR:
      return noParameters() ? generateKeys(INBOUND, apduLength, tree) : A.SW_WRONG_P1P2;
    case A.INS_EXTERNAL_AUTHENTICATE:
      return noParameters() ? externalAuthenticate(INBOUND, apduLength) : A.SW_WRONG_P1P2;
    case A.INS_GET_CHALLENGE:
      return noParameters() ? challenge() : A.SW_WRONG_P1P2;
    case A.INS_GET_DATA:
      return getData(applet);
    case A.INS_PUT_DATA:
      return putData();
    case A.INS_READ_RECORD:
      return NOT_COMMON;
    default:
      return A.SW_INS_UNSUPPORTED;
  }
}

function ownCommand(): i32 {
  switch (apduInstruction) {
    case A.INS_OPEN:
      return openClock();
    case A.INS_FETCH:
      return fetch();
    case A.INS_ENVELOPE:
      return NOT_COMMON;
    case A.INS_PUT_KEY:
      return noParameters() ? putKey(INBOUND, apduLength) : A.SW_WRONG_P1P2;
    case A.INS_STORE_DATA:
      if (apduP1 != 0) return A.SW_WRONG_P1P2;
      if (apduP2 != A.STORE_DATA_PARAMETERS) return storeData(apduP2, INBOUND, apduLength);
      return parametersWait();
    case A.INS_SET_STATUS:
      if (apduP1 != 0) return A.SW_WRONG_P1P2;
      return setStatus(apduP2);
    default:
      return A.SW_INS_UNSUPPORTED;
  }
}

/** Parameters are the applet's, but when they may come is the same for all. */
function parametersWait(): i32 {
  const may = mayStoreData();
  return may == A.SW_OK ? NOT_COMMON : may;
}

function noParameters(): bool {
  return apduP1 == 0 && apduP2 == 0;
}

/** SELECT by AID; also the moment to erase ahead, because nobody is in a transaction now. */
function select(applet: i32): i32 {
  if (apduP1 != 4 || apduP2 != 0) return A.SW_WRONG_P1P2;
  if (apduLength != <u32>A.AID_PREFIX_BYTES + 1 || memory.compare(INBOUND, AID, A.AID_PREFIX_BYTES) != 0)
    return A.SW_NOT_FOUND;
  if (load<u8>(INBOUND, A.AID_PREFIX_BYTES) != applet) return A.SW_NOT_FOUND;
  pinForget();
  if (storeHousekeeping() < 0) return A.SW_MEMORY_FAILURE;
  tlvBegin();
  const template = tlvOpen(0x6f);
  tlvBytes(0x84, INBOUND, A.AID_PREFIX_BYTES + 1);
  const proprietary = tlvOpen(0xa5);
  writeInformation(applet);
  tlvClose(proprietary);
  tlvClose(template);
  responseSet(tlvLength());
  return A.SW_OK;
}

/**
 * Whether whoever asks now may tell this chip from others of its sort. A purse is put into sellers' terminals, who must not know
 * whose it is: only its owner may, and who personalises it. Other elements show a peer who they are, and hide nothing.
 */
function tellsApart(applet: i32): bool {
  return applet != A.AID_PURSE || pinVerified() || personalisationOpen();
}

function writeInformation(applet: i32): void {
  const template = tlvOpen(A.TAG_INFORMATION);
  tlv8(0x80, applet);
  tlv16(0x81, FIRMWARE_VERSION);
  tlv16(0x82, (STORED_VERSION << 8) | PROTOCOL_SPOKEN);
  tlv8(0x83, lifeState());
  tlv8(0x84, elementRole());
  if (tellsApart(applet)) tlvBytes(0x85, elementId(), ID_BYTES);
  if (partnerPresent()) tlvBytes(0x86, partnerId(), ID_BYTES);
  tlv16(0x87, IO_BYTES);
  tlvClose(template);
}

function getData(applet: i32): i32 {
  if (apduLength != 0) return A.SW_WRONG_LENGTH;
  const tag = (apduP1 << 8) | apduP2;
  tlvBegin();
  switch (tag) {
    case A.TAG_INFORMATION:
      writeInformation(applet);
      break;
    case A.TAG_CHAIN: {
      if (!pinVerified() && !personalisationOpen()) return A.SW_SECURITY_STATUS;
      if (elementChainLength() == 0) return A.SW_REFERENCED_DATA_NOT_FOUND;
      const template = tlvOpen(tag);
      tlvRaw(elementChain(), elementChainLength());
      tlvClose(template);
      break;
    }
    case A.TAG_STORE: {
      if (!tellsApart(applet)) return A.SW_SECURITY_STATUS;
      const status = writeStore();
      if (status != A.SW_OK) return status;
      break;
    }
    case A.TAG_COUNTERS:
      if (!tellsApart(applet)) return A.SW_SECURITY_STATUS;
      writeCounters();
      break;
    case A.TAG_DIGEST: {
      if (!tellsApart(applet)) return A.SW_SECURITY_STATUS;
      if (storeDigest(scratch) < 0) return A.SW_MEMORY_FAILURE;
      tlvBytes(tag, scratch, HASH_BYTES);
      break;
    }
    default:
      return NOT_COMMON;
  }
  responseSet(tlvLength());
  return A.SW_OK;
}

function writeStore(): i32 {
  if (storeWear(scratch) < 0) return A.SW_MEMORY_FAILURE;
  const template = tlvOpen(A.TAG_STORE);
  tlv32(0x80, storeFreeBytes());
  tlv32(0x81, storeFreeRecords());
  tlv32Pair(0x82, load<u32>(scratch), load<u32>(scratch, 4));
  tlv32(0x83, load<u32>(scratch, 12));
  tlvClose(template);
  return A.SW_OK;
}

function writeCounters(): void {
  const template = tlvOpen(A.TAG_COUNTERS);
  const pin = pinTries(RECORD_PIN);
  const puk = pinTries(RECORD_PUK);
  tlv8(0x80, pin < 0 ? 0 : pin);
  tlv8(0x81, puk < 0 ? 0 : puk);
  tlv64(0x82, badIdsVersion());
  tlv64(0x83, clockFloor());
  tlv64(0x84, clockNow());
  tlvClose(template);
}

function putData(): i32 {
  const what = (apduP1 << 8) | apduP2;
  if (what != A.PUT_DATA_LIST) return NOT_COMMON;
  if (lifeState() < A.LIFE_PERSONALISED) return A.SW_CONDITIONS;
  const taken = badIdsTake(INBOUND, apduLength);
  if (taken >= 0) return A.SW_OK;
  return taken > -100 ? A.SW_MEMORY_FAILURE : A.SW_WRONG_DATA;
}

/** OPEN: date and time from the host, for this power-up. */
function openClock(): i32 {
  if (!noParameters()) return A.SW_WRONG_P1P2;
  if (!pinVerified()) return A.SW_SECURITY_STATUS;
  if (apduLength != 8) return A.SW_WRONG_LENGTH;
  return clockOpen(load64(INBOUND)) ? A.SW_OK : A.SW_WRONG_DATA;
}

function fetch(): i32 {
  if (apduP2 != 0 || apduP1 > 1) return A.SW_WRONG_P1P2;
  if (apduLength != 0) return A.SW_WRONG_LENGTH;
  if (apduP1 == 1) outboxRewind();
  const length = outboxFetch();
  if (length == 0) return A.SW_REFERENCED_DATA_NOT_FOUND;
  responseSet(length);
  return statusWaiting();
}

/** 91xx when an envelope waits, else 9000. */
export function statusWaiting(): i32 {
  const waiting = outboxWaiting();
  if (waiting == 0) return A.SW_OK;
  return A.SW_FETCH | (<i32>(waiting < 255 ? waiting : 255));
}

/** VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER. */
function referenceData(): i32 {
  if (apduP1 != 0 || apduP2 != A.REFERENCE_PIN) return A.SW_WRONG_P1P2;
  if (lifeState() < A.LIFE_PERSONALISED) return A.SW_CONDITIONS;
  if (apduInstruction == A.INS_VERIFY) {
    if (apduLength == 0) return triesLeft();
    if (apduLength > <u32>PIN_DIGITS_MAX) return A.SW_WRONG_LENGTH;
    return pinVerify(INBOUND, apduLength);
  }
  if (apduLength < 2) return A.SW_WRONG_LENGTH;
  const first: u32 = load<u8>(INBOUND);
  if (first > <u32>PIN_DIGITS_MAX || first >= apduLength) return A.SW_WRONG_LENGTH;
  const second = apduLength - 1 - first;
  if (second > <u32>PIN_DIGITS_MAX) return A.SW_WRONG_LENGTH;
  const old = INBOUND + 1;
  if (apduInstruction == A.INS_CHANGE_REFERENCE_DATA) return pinChange(old, first, old + first, second);
  return pinUnblock(old, first, old + first, second);
}

/** VERIFY without data: 9000 when verified, else how many tries are left. */
function triesLeft(): i32 {
  if (pinVerified()) return A.SW_OK;
  const tries = pinTries(RECORD_PIN);
  if (tries < 0) return A.SW_REFERENCE_DATA_UNUSABLE;
  return tries == 0 ? A.SW_BLOCKED : A.SW_WARNING_TRIES | tries;
}
