/**
 * The three large buffers of an applet, and who owns them when.
 *
 * - IO: the host writes a command here and reads the response here. While a command runs it is scratch: the command's
 *   data was moved to INBOUND, and the response is written at its end.
 * - INBOUND: data of the command, all links of a chain put together. Sealed messages are opened here in place. Between
 *   two commands it holds a chain that is not complete, or the rest of a response that GET RESPONSE will ask for.
 * - OUTBOX (envelope.ts): envelopes that wait to be fetched; kept until the next envelope is accepted.
 *
 * What is composed in IO is composed at its start, so its far end is room for what lives no longer than a step of a protocol:
 *
 *     a handshake   [ answer ... | hashed text (noise.ts) | payload (establish.ts) ]
 *     a ticket      [ message ... | ticket (trusted-agent/ticket-holder.ts) ]
 *     a request     [ signed request ... | request (personalise.ts) ]
 *     the choice    [ candidates | tables of the choice (money-module/note-choice.ts) ]
 */

import { HASH_BYTES, TAG_BYTES } from "../platform/constants";
import { HANDSHAKE_PAYLOAD_BYTES_MAX, IO_BYTES } from "../protocol/limits";

export const IO: usize = memory.data(IO_BYTES, 8);
export const INBOUND: usize = memory.data(IO_BYTES, 8);
export const INBOUND_BYTES: u32 = IO_BYTES;

/** Text of a handshake as it travels, and behind a hash. */
export const HANDSHAKE_TEXT_BYTES_MAX: i32 = HANDSHAKE_PAYLOAD_BYTES_MAX + TAG_BYTES;
export const HANDSHAKE_PAYLOAD: usize = IO + IO_BYTES - HANDSHAKE_PAYLOAD_BYTES_MAX;
export const HANDSHAKE_HASHED: usize = HANDSHAKE_PAYLOAD - HANDSHAKE_TEXT_BYTES_MAX - HASH_BYTES;

/** Big-endian integers, as ISO 7816 and BER-TLV have them. */
@inline export function load16(p: usize): u32 {
  return bswap<u16>(load<u16>(p));
}


@inline export function store16(p: usize, v: u32): void {
  store<u16>(p, bswap<u16>(<u16>v));
}


@inline export function store32(p: usize, v: u32): void {
  store<u32>(p, bswap<u32>(v));
}


@inline export function load64(p: usize): u64 {
  return bswap<u64>(load<u64>(p));
}


@inline export function store64(p: usize, v: u64): void {
  store<u64>(p, bswap<u64>(v));
}
