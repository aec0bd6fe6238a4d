/**
 * CTAPHID: messages of up to 7,609 bytes in USB HID reports of 64 (FIDO Client to Authenticator Protocol 2.1, section 11.2).
 * Numbers, reports, and how a message is put together; a device's transactions are in device.ts. Host, simulator and boards
 * run these two files: they are AssemblyScript and TypeScript alike, and allocate nothing.
 *
 *     initialization packet   | CID 4 | CMD 1, bit 7 set | BCNT 2 | data 57 |
 *     continuation packet     | CID 4 | SEQ 1, 0 to 127  | data 59          |
 */

export const REPORT_BYTES: i32 = 64;
export const INITIALIZATION_DATA_BYTES: i32 = 57;
export const CONTINUATION_DATA_BYTES: i32 = 59;
/** One initialization packet and 128 continuation packets (11.2.4). */
export const MESSAGE_BYTES_MAX: i32 = 7609;

/** Channel ids that are nobody's (11.2.3). */
export const CHANNEL_NONE: i32 = 0;
export const CHANNEL_BROADCAST: i32 = -1;

// Commands (11.2.9), without bit 7.
export const COMMAND_PING: i32 = 0x01;
export const COMMAND_MSG: i32 = 0x03;
export const COMMAND_LOCK: i32 = 0x04;
export const COMMAND_INIT: i32 = 0x06;
export const COMMAND_CANCEL: i32 = 0x11;
export const COMMAND_KEEPALIVE: i32 = 0x3b;
export const COMMAND_ERROR: i32 = 0x3f;
/** The first vendor command (11.2.9.3): power off and on for the card behind the device. Its answer is empty. */
export const COMMAND_RESTART: i32 = 0x40;

// What an ERROR frame carries (11.2.9.1.6).
export const ERROR_INVALID_COMMAND: i32 = 0x01;
export const ERROR_INVALID_PARAMETER: i32 = 0x02;
export const ERROR_INVALID_LENGTH: i32 = 0x03;
export const ERROR_INVALID_SEQUENCE: i32 = 0x04;
export const ERROR_MESSAGE_TIMEOUT: i32 = 0x05;
export const ERROR_CHANNEL_BUSY: i32 = 0x06;
export const ERROR_INVALID_CHANNEL: i32 = 0x0b;
/** CTAP2_ERR_KEEPALIVE_CANCEL (8.2): the message was cancelled, and the card has not seen it. */
export const ERROR_CANCELLED: i32 = 0x2d;

/** KEEPALIVE's one byte (11.2.9.1.7): the card works, and waits for nobody. */
export const STATUS_PROCESSING: i32 = 0x01;

// INIT (11.2.9.1.3): nonce, channel id, versions, capabilities.
export const NONCE_BYTES: i32 = 8;
export const INIT_ANSWER_BYTES: i32 = 17;
export const PROTOCOL_VERSION: i32 = 2;
export const DEVICE_VERSION_MAJOR: i32 = 0;
export const DEVICE_VERSION_MINOR: i32 = 1;
export const DEVICE_VERSION_BUILD: i32 = 0;
/** MSG is there; WINK and CBOR are not. */
export const CAPABILITIES: i32 = 0;

/** A message whose next report does not come within this time is given up, and so is an answer that nobody fetches (11.2.5.2). */
export const TRANSACTION_TIMEOUT_MS: i32 = 500;
/** While the card works the host hears of it this often (11.2.9.1.7). */
export const KEEPALIVE_INTERVAL_MS: i32 = 100;
/** Longest lock (11.2.9.2.2). */
export const LOCK_SECONDS_MAX: i32 = 10;
/** Channels that are valid at a time: who is given one more takes the oldest away. */
export const CHANNELS_MAX: i32 = 8;
/** Frames of one report, errors and keepalives above all, that wait to be fetched. */
export const FRAMES_MAX: i32 = 4;
export const FRAMES_BYTES: i32 = 256;

/** Of CMD, the fifth byte: what tells an initialization packet from a continuation packet. */
export const INITIALIZATION_BIT: i32 = 0x80;
export const INITIALIZATION_HEADER_BYTES: i32 = 7;
const CONTINUATION_HEADER_BYTES: i32 = 5;

export function at(bytes: Uint8Array, i: i32): i32 {
  return bytes[i] as i32;
}

export function put(bytes: Uint8Array, i: i32, value: i32): void {
  bytes[i] = value as u8;
}

export function putChannel(bytes: Uint8Array, i: i32, channel: i32): void {
  put(bytes, i, channel >>> 24);
  put(bytes, i + 1, channel >>> 16);
  put(bytes, i + 2, channel >>> 8);
  put(bytes, i + 3, channel);
}

function least(a: i32, b: i32): i32 {
  return a < b ? a : b;
}

/** Channel id at this place: reports begin with one, and INIT's answer carries one behind its nonce. */
export function channelAt(bytes: Uint8Array, i: i32): i32 {
  return (at(bytes, i) << 24) | (at(bytes, i + 1) << 16) | (at(bytes, i + 2) << 8) | at(bytes, i + 3);
}

export function isInitialization(report: Uint8Array): boolean {
  return (at(report, 4) & INITIALIZATION_BIT) !== 0;
}

/** Of an initialization packet. */
export function commandOf(report: Uint8Array): i32 {
  return at(report, 4) & ~INITIALIZATION_BIT;
}

/** Of an initialization packet: bytes of the whole message. */
export function announcedLength(report: Uint8Array): i32 {
  return (at(report, 5) << 8) | at(report, 6);
}

/** Writes the report that carries a message from byte `from` on, 0 first; the byte at which the next one begins. */
export function writeReport(
  report: Uint8Array,
  channel: i32,
  command: i32,
  message: Uint8Array,
  length: i32,
  from: i32,
): i32 {
  putChannel(report, 0, channel);
  let head: i32 = CONTINUATION_HEADER_BYTES;
  if (from === 0) {
    head = INITIALIZATION_HEADER_BYTES;
    put(report, 4, command | INITIALIZATION_BIT);
    put(report, 5, length >>> 8);
    put(report, 6, length);
  } else {
    put(report, 4, sequenceAt(from));
  }
  const count: i32 = least(length - from, REPORT_BYTES - head);
  for (let i: i32 = 0; i < count; i++) put(report, head + i, at(message, from + i));
  for (let i: i32 = head + count; i < REPORT_BYTES; i++) put(report, i, 0);
  return from + count;
}

/** Sequence number of the continuation packet that begins with this byte of the message. */
function sequenceAt(from: i32): i32 {
  return ((from - INITIALIZATION_DATA_BYTES) / CONTINUATION_DATA_BYTES) | 0;
}

/** A message that is being put together from its reports; host and device each have one. */
export class Assembly {
  command: i32 = 0;
  length: i32 = 0;
  received: i32 = 0;

  /** Takes an initialization packet whose length is not beyond MESSAGE_BYTES_MAX. */
  open(report: Uint8Array, message: Uint8Array): void {
    this.command = commandOf(report);
    this.length = announcedLength(report);
    this.received = 0;
    this.collect(report, INITIALIZATION_HEADER_BYTES, message);
  }

  /** Takes a continuation packet; false when it is not the next one. */
  append(report: Uint8Array, message: Uint8Array): boolean {
    if (at(report, 4) !== sequenceAt(this.received)) return false;
    this.collect(report, CONTINUATION_HEADER_BYTES, message);
    return true;
  }

  isComplete(): boolean {
    return this.received === this.length;
  }

  private collect(report: Uint8Array, head: i32, message: Uint8Array): void {
    const count: i32 = least(this.length - this.received, REPORT_BYTES - head);
    for (let i: i32 = 0; i < count; i++) put(message, this.received + i, at(report, head + i));
    this.received += count;
  }
}
