/**
 * Messages on a byte stream (hardware/card/frames.h): HDLC-like frames of RFC 1662, each with a tag that the answer has from what it
 * answers. A frame that is not whole is as if it had never been.
 */

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const ESCAPED_BIT = 0x20;

const FCS_START = 0xffff;
const FCS_POLYNOMIAL = 0x8408;
/** What comes out where the FCS, too, has gone in. */
const FCS_GOOD = 0xf0b8;
const FCS_BYTES = 2;
const FRAME_BYTES_MIN = 1 + FCS_BYTES;

/** Controls: messages of one byte (hardware/card/stream.h). */
export const CONTROL_POWER_OFF = 0;
export const CONTROL_POWER_ON = 1;
export const CONTROL_RESET = 2;
export const CONTROL_ATR = 4;
export const CONTROL_BOARD = 5;

/** Data of the longest response APDU, status word, tag and FCS: nothing of ours is longer. */
export const FRAME_BYTES_MAX = 65_536 + 2 + FRAME_BYTES_MIN;

export interface Frame {
  readonly tag: number;
  readonly message: Uint8Array;
}

function fcsAfter(fcs: number, byte: number): number {
  let value = fcs ^ byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ FCS_POLYNOMIAL;
  return value;
}

/** FCS-16 of RFC 1662, appendix C.2: CRC-16/X-25. */
export function fcs16(bytes: Uint8Array): number {
  return ~bytes.reduce(fcsAfter, FCS_START) & 0xffff;
}

/** A frame with a flag before it, which ends whatever was on the line, and one behind it. */
export function encodeFrame(tag: number, message: Uint8Array): Uint8Array {
  const content = Uint8Array.of(tag, ...message);
  const fcs = fcs16(content);
  const escaped: number[] = [FLAG];
  for (const byte of [...content, fcs & 0xff, fcs >>> 8]) {
    if (byte === FLAG || byte === ESCAPE) escaped.push(ESCAPE, byte ^ ESCAPED_BIT);
    else escaped.push(byte);
  }
  escaped.push(FLAG);
  return Uint8Array.from(escaped);
}

/** Finds the good frames in what comes, in whatever pieces. */
export class FrameDecoder {
  readonly #longest: number;
  #content: number[] = [];
  #fcs = FCS_START;
  #isEscaped = false;
  #isTooLong = false;

  /** A frame of more bytes than this, tag and FCS among them, is dropped. */
  constructor(longest = FRAME_BYTES_MAX) {
    this.#longest = longest;
  }

  take(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (const byte of bytes) {
      if (byte === FLAG) {
        const frame = this.#frame();
        if (frame !== undefined) frames.push(frame);
        this.#begin();
      } else if (byte === ESCAPE && !this.#isEscaped) this.#isEscaped = true;
      else this.#add(this.#isEscaped ? byte ^ ESCAPED_BIT : byte);
    }
    return frames;
  }

  #begin(): void {
    this.#content = [];
    this.#fcs = FCS_START;
    this.#isEscaped = false;
    this.#isTooLong = false;
  }

  #add(byte: number): void {
    this.#isEscaped = false;
    this.#fcs = fcsAfter(this.#fcs, byte);
    if (this.#content.length < this.#longest) this.#content.push(byte);
    else this.#isTooLong = true;
  }

  /** What has come since the last flag, if it is a frame. */
  #frame(): Frame | undefined {
    const [tag] = this.#content;
    const isWhole = !this.#isEscaped && !this.#isTooLong && this.#content.length >= FRAME_BYTES_MIN;
    if (tag === undefined || !isWhole || this.#fcs !== FCS_GOOD) return undefined;
    return { tag, message: Uint8Array.from(this.#content.slice(1, -FCS_BYTES)) };
  }
}
