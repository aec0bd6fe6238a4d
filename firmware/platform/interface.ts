/**
 * The platform interface: everything a chip must provide to an applet, declared once.
 *
 * `npm run generate` makes from it the AssemblyScript imports (`imports.ts` beside this file), the TypeScript type
 * and memory-safe binding that the simulator implements (`simulator/platform.generated.ts`), the C header that boards
 * implement (`hardware/platform.generated.h`), and beside it their imports under wasm2c and under WAMR. Nothing but
 * these functions is imported by an applet.
 *
 * Conventions. A function returns an i32: zero or more is good, less than zero is a `PlatformError`. Every buffer is a
 * pair of address and length; a platform refuses a pair outside linear memory with `InvalidArgument` and changes
 * nothing. A buffer of a fixed size still passes its length, and any other length is `InvalidArgument`.
 * Private keys live in key slots and never enter linear memory.
 */

/** Import module name of every function below. */
export const PLATFORM_MODULE = "tallystick";

/** `u32`: one argument. `in`, `out`: a buffer read or written, two arguments (address, length in bytes). */
export type ParameterKind = "u32" | "in" | "out";

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** Exact length in bytes, where it is fixed. */
  readonly bytes?: number;
  readonly doc: string;
}

export interface PlatformFunction {
  readonly name: string;
  readonly doc: string;
  readonly parameters: readonly Parameter[];
  readonly result: string;
}

export interface PlatformConstant {
  readonly name: string;
  readonly value: number;
  readonly doc: string;
}

/** Results below zero. */
export const PLATFORM_ERRORS: readonly PlatformConstant[] = [
  { name: "InvalidArgument", value: -1, doc: "an address, length, page, slot or kind that the platform does not have" },
  { name: "NotSupported", value: -2, doc: "this chip does not have the function" },
  { name: "FlashFailure", value: -3, doc: "the flash did not take a program or erase operation" },
  { name: "SlotEmpty", value: -4, doc: "the key slot holds no key" },
  { name: "WrongKind", value: -5, doc: "the key slot holds a key of another kind" },
  { name: "BadSignature", value: -6, doc: "the signature does not verify under the one strict rule" },
  { name: "BadKey", value: -7, doc: "a public key that is not canonical, or of small order" },
  { name: "BadTag", value: -8, doc: "the ciphertext does not authenticate; nothing was decrypted" },
  { name: "RandomFailure", value: -9, doc: "the random source failed its own test" },
  { name: "CounterExhausted", value: -10, doc: "the monotonic counter has reached its end" },
];

/** Kinds of key in a slot. */
export const KEY_KINDS: readonly PlatformConstant[] = [
  { name: "Empty", value: 0, doc: "no key" },
  { name: "Ed25519", value: 1, doc: "a signature key pair" },
  { name: "X25519", value: 2, doc: "a key agreement key pair" },
  { name: "Secret", value: 3, doc: "32 secret bytes, for derivation only" },
];

/** Sizes in bytes and numbers of slots. */
export const PLATFORM_SIZES: readonly PlatformConstant[] = [
  { name: "KEY_BYTES", value: 32, doc: "public keys, shared secrets, symmetric keys" },
  { name: "SIGNATURE_BYTES", value: 64, doc: "Ed25519 signature" },
  { name: "HASH_BYTES", value: 32, doc: "SHA-256" },
  { name: "NONCE_BYTES", value: 12, doc: "ChaCha20-Poly1305 nonce" },
  { name: "TAG_BYTES", value: 16, doc: "ChaCha20-Poly1305 tag" },
  { name: "SLOTS_PERSISTENT", value: 16, doc: "slots 0 to 15 keep their keys without power; a write is atomic" },
  { name: "SLOTS_VOLATILE", value: 8, doc: "slots 16 to 23 are empty after power-up" },
];

const slot: Parameter = { name: "slot", kind: "u32", doc: "key slot" };
const message: Parameter = { name: "message", kind: "in", doc: "the message" };
const key: Parameter = { name: "key", kind: "in", bytes: 32, doc: "symmetric key" };
const nonce: Parameter = { name: "nonce", kind: "in", bytes: 12, doc: "nonce, never used twice under one key" };
const associated: Parameter = { name: "associated", kind: "in", doc: "associated data, authenticated in clear" };

export const PLATFORM_FUNCTIONS: readonly PlatformFunction[] = [
  {
    name: "flash_page_size",
    doc: "Bytes of an erase page; the same for every page, a power of two, at least 4096.",
    parameters: [],
    result: "bytes",
  },
  { name: "flash_page_count", doc: "Pages of this applet's flash region.", parameters: [], result: "pages" },
  {
    name: "flash_word_size",
    doc: "Bytes that are programmed at once: a power of two from 1 to 32.",
    parameters: [],
    result: "bytes",
  },
  {
    name: "flash_read",
    doc: "Reads any bytes of the region, across pages too. Erased flash reads 0xFF.",
    parameters: [
      { name: "address", kind: "u32", doc: "first byte, from the start of the region" },
      { name: "destination", kind: "out", doc: "where to" },
    ],
    result: "0",
  },
  {
    name: "flash_program",
    doc: "Clears bits. Address and length are multiples of the word size, within one page, and every word is erased: a word is programmed once between two erasures. What breaks this is FlashFailure. A power cut leaves any subset of the bits cleared.",
    parameters: [
      { name: "address", kind: "u32", doc: "first byte, from the start of the region" },
      { name: "source", kind: "in", doc: "the bytes to program" },
    ],
    result: "0",
  },
  {
    name: "flash_erase",
    doc: "Sets every bit of a page. A power cut leaves any subset of the cleared bits set.",
    parameters: [{ name: "page", kind: "u32", doc: "page, from 0" }],
    result: "0",
  },
  {
    name: "random_bytes",
    doc: "Fills a buffer with random bytes fit for keys.",
    parameters: [{ name: "destination", kind: "out", doc: "where to" }],
    result: "0",
  },
  {
    name: "clock_seconds",
    doc: "Seconds since power-up, by the chip's own tick; never goes back while there is power.",
    parameters: [],
    result: "seconds",
  },
  {
    name: "counter_read",
    doc: "The monotonic counter of this applet. A chip without one answers NotSupported.",
    parameters: [],
    result: "value",
  },
  { name: "counter_increment", doc: "Adds one, for ever.", parameters: [], result: "the new value" },
  { name: "slot_kind", doc: "What a slot holds.", parameters: [slot], result: "a key kind, 0 for an empty slot" },
  {
    name: "slot_generate",
    doc: "Makes a new random key in a slot; what the slot held is gone.",
    parameters: [slot, { name: "kind", kind: "u32", doc: "Ed25519, X25519 or Secret" }],
    result: "0",
  },
  {
    name: "slot_put",
    doc: "Puts 32 secret bytes into a slot, kind Secret; what the slot held is gone.",
    parameters: [slot, { name: "secret", kind: "in", bytes: 32, doc: "the secret" }],
    result: "0",
  },
  { name: "slot_erase", doc: "Wipes a slot; an empty slot stays empty.", parameters: [slot], result: "0" },
  {
    name: "slot_public",
    doc: "The public key of an Ed25519 or X25519 slot.",
    parameters: [slot, { name: "destination", kind: "out", bytes: 32, doc: "public key" }],
    result: "0",
  },
  {
    name: "slot_derive",
    doc: "HKDF-SHA256 (RFC 5869) with the slot's secret as input key material and an empty salt.",
    parameters: [
      slot,
      { name: "info", kind: "in", doc: "context" },
      { name: "destination", kind: "out", doc: "derived bytes, at most 255 x 32" },
    ],
    result: "0",
  },
  {
    name: "ed25519_sign",
    doc: "Ed25519 (RFC 8032) by the key in a slot. Message and signature that overlap are InvalidArgument.",
    parameters: [slot, message, { name: "signature", kind: "out", bytes: 64, doc: "signature" }],
    result: "0",
  },
  {
    name: "ed25519_verify",
    doc: "The one strict rule: S < L, canonical encodings, no small-order public key or R, equation without cofactor.",
    parameters: [
      { name: "public_key", kind: "in", bytes: 32, doc: "public key" },
      message,
      { name: "signature", kind: "in", bytes: 64, doc: "signature" },
    ],
    result: "0, or BadSignature",
  },
  {
    name: "x25519_agree",
    doc: "X25519 (RFC 7748) between the key in a slot and a public key; an all-zero result is BadKey.",
    parameters: [
      slot,
      { name: "public_key", kind: "in", bytes: 32, doc: "the other party's public key" },
      { name: "destination", kind: "out", bytes: 32, doc: "shared secret" },
    ],
    result: "0, or BadKey",
  },
  {
    name: "sha256",
    doc: "SHA-256 (FIPS 180-4).",
    parameters: [message, { name: "destination", kind: "out", bytes: 32, doc: "hash" }],
    result: "0",
  },
  {
    name: "hmac_sha256",
    doc: "HMAC-SHA256 (RFC 2104).",
    parameters: [
      { name: "key", kind: "in", doc: "key of any length" },
      message,
      { name: "destination", kind: "out", bytes: 32, doc: "tag" },
    ],
    result: "0",
  },
  {
    name: "hkdf_sha256",
    doc: "HKDF-SHA256 (RFC 5869), extract and expand.",
    parameters: [
      { name: "salt", kind: "in", doc: "salt, may be empty" },
      { name: "material", kind: "in", doc: "input key material" },
      { name: "info", kind: "in", doc: "context, may be empty" },
      { name: "destination", kind: "out", doc: "derived bytes, at most 255 x 32" },
    ],
    result: "0",
  },
  {
    name: "aead_seal",
    doc: "ChaCha20-Poly1305 (RFC 8439): ciphertext is the plaintext's length + 16. Both may start at the same address; the ciphertext overlaps nothing else, or it is InvalidArgument.",
    parameters: [
      key,
      nonce,
      associated,
      { name: "plaintext", kind: "in", doc: "plaintext" },
      { name: "ciphertext", kind: "out", doc: "ciphertext and tag" },
    ],
    result: "0",
  },
  {
    name: "aead_open",
    doc: "The reverse: plaintext is the ciphertext's length - 16. Both may start at the same address; the plaintext overlaps nothing else, or it is InvalidArgument.",
    parameters: [
      key,
      nonce,
      associated,
      { name: "ciphertext", kind: "in", doc: "ciphertext and tag" },
      { name: "plaintext", kind: "out", doc: "plaintext; untouched when the tag is wrong" },
    ],
    result: "0, or BadTag",
  },
];
