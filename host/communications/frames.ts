/**
 * The wire format of a line between two hosts: each frame is one binary WebSocket message.
 *
 *   hello            01  version(1)  token(16, zeros: a new line)  expected(4)  purpose (1 to 16 characters, ASCII)
 *   data             02  index(4)  message
 *   acknowledgement  03  expected(4)
 *   end              04
 *   refused          05  reason(1)
 *
 * Numbers are big-endian. Messages of a direction are numbered from 0; `expected` is the number of the next one that the
 * sender of the frame has not got. The client says hello first, the server answers with a hello that carries the line's token,
 * or refuses. What comes from a network is parsed strictly: a frame is exactly one of these, or a FrameError.
 */

import { ENVELOPE_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { assertBytes, assertInteger } from "../codec/bytes.js";

export const LINE_VERSION = 1;
/** The WebSocket subprotocol: who does not name it is no Tallystick. */
export const SUBPROTOCOL = "tallystick";
export const TOKEN_BYTES = 16;
export const INDEX_MAX = 0xffff_ffff;
export const PURPOSE_CHARS_MAX = 16;
const DATA_HEADER_BYTES = 5;
const HELLO_HEADER_BYTES = 2 + TOKEN_BYTES + 4;
export const FRAME_BYTES_MAX = DATA_HEADER_BYTES + ENVELOPE_BYTES_MAX;

const KIND_HELLO = 1;
const KIND_DATA = 2;
const KIND_ACKNOWLEDGEMENT = 3;
const KIND_END = 4;
const KIND_REFUSED = 5;

/** Why a connection or a line was refused. A reason's number on the wire is its place here, from 1. */
export const REFUSALS = ["version", "purpose", "busy", "unknown-line", "flood", "malformed", "fault"] as const;
export type Refusal = (typeof REFUSALS)[number];

export interface HelloFrame {
  readonly kind: "hello";
  /** Undefined: a new line. */
  readonly token: Uint8Array | undefined;
  readonly expected: number;
  readonly purpose: string;
}

export type Frame =
  | HelloFrame
  | { readonly kind: "data"; readonly index: number; readonly message: Uint8Array }
  | { readonly kind: "acknowledgement"; readonly expected: number }
  | { readonly kind: "end" }
  | { readonly kind: "refused"; readonly reason: Refusal };

/** What came is no frame. */
export class FrameError extends Error {
  constructor(what: string) {
    super(`Not a frame of a line: ${what}.`);
    this.name = "FrameError";
  }
}

/** A hello of another version; what follows in it is not known. */
export class FrameVersionError extends FrameError {
  readonly version: number;

  constructor(version: number) {
    super(`version ${version}`);
    this.name = "FrameVersionError";
    this.version = version;
  }
}

/** Whether a purpose is a short word: lower-case letters, digits, hyphens; a letter first. */
export function isPurpose(text: string): boolean {
  return text.length <= PURPOSE_CHARS_MAX && /^[a-z][a-z0-9-]*$/.test(text);
}

export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case "hello":
      return encodeHello(frame);
    case "data": {
      assertBytes(frame.message, "frame.message");
      const { length } = frame.message;
      if (length > ENVELOPE_BYTES_MAX) throw new RangeError(`frame.message: at most ${ENVELOPE_BYTES_MAX} bytes`);
      const bytes = numbered(KIND_DATA, frame.index, "frame.index", length);
      bytes.set(frame.message, DATA_HEADER_BYTES);
      return bytes;
    }
    case "acknowledgement":
      return numbered(KIND_ACKNOWLEDGEMENT, frame.expected, "frame.expected", 0);
    case "end":
      return Uint8Array.of(KIND_END);
    case "refused":
      return Uint8Array.of(KIND_REFUSED, REFUSALS.indexOf(frame.reason) + 1);
  }
}

function encodeHello({ token, expected, purpose }: HelloFrame): Uint8Array {
  if (!isPurpose(purpose))
    throw new RangeError(`purpose: a word of at most ${PURPOSE_CHARS_MAX} letters, found "${purpose}"`);
  assertInteger(expected, "frame.expected", 0, INDEX_MAX);
  const bytes = new Uint8Array(HELLO_HEADER_BYTES + purpose.length);
  bytes[0] = KIND_HELLO;
  bytes[1] = LINE_VERSION;
  if (token !== undefined) {
    assertBytes(token, "frame.token", TOKEN_BYTES);
    if (isZero(token)) throw new RangeError("frame.token: zeros mean that there is none");
    bytes.set(token, 2);
  }
  viewOf(bytes).setUint32(2 + TOKEN_BYTES, expected);
  bytes.set(new TextEncoder().encode(purpose), HELLO_HEADER_BYTES);
  return bytes;
}

function numbered(kind: number, index: number, name: string, more: number): Uint8Array {
  assertInteger(index, name, 0, INDEX_MAX);
  const bytes = new Uint8Array(DATA_HEADER_BYTES + more);
  bytes[0] = kind;
  viewOf(bytes).setUint32(1, index);
  return bytes;
}

/** The frame that these bytes are. What it holds is a copy. Throws FrameError. */
export function decodeFrame(bytes: Uint8Array): Frame {
  assertBytes(bytes, "bytes");
  switch (bytes[0]) {
    case KIND_HELLO:
      return decodeHello(bytes);
    case KIND_DATA:
      if (bytes.length < DATA_HEADER_BYTES || bytes.length > FRAME_BYTES_MAX) throw lengthError("data", bytes);
      return { kind: "data", index: viewOf(bytes).getUint32(1), message: copyOf(bytes, DATA_HEADER_BYTES) };
    case KIND_ACKNOWLEDGEMENT:
      if (bytes.length !== DATA_HEADER_BYTES) throw lengthError("acknowledgement", bytes);
      return { kind: "acknowledgement", expected: viewOf(bytes).getUint32(1) };
    case KIND_END:
      if (bytes.length !== 1) throw lengthError("end", bytes);
      return { kind: "end" };
    case KIND_REFUSED: {
      if (bytes.length !== 2) throw lengthError("refused", bytes);
      const reason = REFUSALS[(bytes[1] as number) - 1];
      if (reason === undefined) throw new FrameError(`reason ${bytes[1]} of a refusal`);
      return { kind: "refused", reason };
    }
    default:
      throw new FrameError(bytes.length === 0 ? "nothing at all" : `kind ${bytes[0]}`);
  }
}

function decodeHello(bytes: Uint8Array): HelloFrame {
  const version = bytes[1];
  if (version === undefined) throw lengthError("hello", bytes);
  if (version !== LINE_VERSION) throw new FrameVersionError(version);
  if (bytes.length > HELLO_HEADER_BYTES + PURPOSE_CHARS_MAX) throw lengthError("hello", bytes);
  const purpose = String.fromCharCode(...bytes.subarray(HELLO_HEADER_BYTES));
  if (!isPurpose(purpose)) throw new FrameError("a purpose that is no word");
  const token = copyOf(bytes, 2, 2 + TOKEN_BYTES);
  const expected = viewOf(bytes).getUint32(2 + TOKEN_BYTES);
  return { kind: "hello", token: isZero(token) ? undefined : token, expected, purpose };
}

function lengthError(kind: string, bytes: Uint8Array): FrameError {
  return new FrameError(`${kind} of ${bytes.length} bytes`);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** A plain copy, whatever kind of array the bytes are a part of. */
function copyOf(bytes: Uint8Array, from: number, to = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
