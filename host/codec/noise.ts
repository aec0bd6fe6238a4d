/**
 * Noise (The Noise Protocol Framework, revision 34) with 25519, ChaChaPoly and SHA256, in the two patterns that the
 * protocols use: XX for sessions, N for sealing to a public key. The counterpart of `firmware/lib/noise.ts`.
 */

import { HANDSHAKE_PAYLOAD_BYTES_MAX } from "../../firmware/protocol/limits.js";
import {
  REASON_BAD_SEAL,
  REASON_MALFORMED,
  REASON_TOO_LONG,
  REASON_UNEXPECTED,
} from "../../firmware/protocol/reasons.js";
import { assertBytes, concatBytes } from "./bytes.js";
import { Channel, counterNonce, LastAccepted, NoiseError, repeated } from "./noise-channel.js";
import { hostNoiseCrypto, KEY_BYTES, type NoiseCrypto, TAG_BYTES } from "./noise-crypto.js";

export { Channel, NoiseError } from "./noise-channel.js";
export { hostNoiseCrypto, type NoiseCrypto } from "./noise-crypto.js";

const NOTHING = new Uint8Array(0);

type Token = "e" | "s" | "ee" | "es" | "se";

interface Pattern {
  readonly name: string;
  /** Whether the initiator knows the responder's static key beforehand. */
  readonly responderKnown: boolean;
  readonly messages: readonly (readonly Token[])[];
  readonly payloadBytesMax: number;
}

const XX: Pattern = {
  name: "Noise_XX_25519_ChaChaPoly_SHA256",
  responderKnown: false,
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
  payloadBytesMax: HANDSHAKE_PAYLOAD_BYTES_MAX,
};

const N: Pattern = {
  name: "Noise_N_25519_ChaChaPoly_SHA256",
  responderKnown: true,
  messages: [["e", "es"]],
  payloadBytesMax: Number.MAX_SAFE_INTEGER,
};

/** Noise's symmetric state, section 5.2. */
class SymmetricState {
  readonly #crypto: NoiseCrypto;
  #hash: Uint8Array;
  #chainingKey: Uint8Array;
  #key: Uint8Array | undefined;
  #counter = 0;

  constructor(crypto: NoiseCrypto, protocolName: string) {
    const name = new TextEncoder().encode(protocolName);
    this.#crypto = crypto;
    this.#hash = new Uint8Array(KEY_BYTES);
    this.#hash.set(name);
    this.#chainingKey = this.#hash.slice();
  }

  /** Bytes that sealing adds to the next text. */
  get extraBytes(): number {
    return this.#key === undefined ? 0 : TAG_BYTES;
  }

  get hash(): Uint8Array {
    return this.#hash.slice();
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.sha256(concatBytes(this.#hash, data));
  }

  mixKey(material: Uint8Array): void {
    const derived = this.#crypto.hkdf(this.#chainingKey, material, NOTHING, 2 * KEY_BYTES);
    this.wipe();
    this.#chainingKey = derived.slice(0, KEY_BYTES);
    this.#key = derived.slice(KEY_BYTES);
    this.#counter = 0;
    derived.fill(0);
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const key = this.#key;
    const text =
      key === undefined
        ? plaintext.slice()
        : this.#crypto.seal(key, counterNonce(this.#counter++), this.#hash, plaintext);
    this.mixHash(text);
    return text;
  }

  decryptAndHash(text: Uint8Array): Uint8Array {
    const key = this.#key;
    const plaintext =
      key === undefined ? text.slice() : this.#crypto.open(key, counterNonce(this.#counter++), this.#hash, text);
    if (plaintext === undefined) throw new NoiseError(REASON_BAD_SEAL, "A handshake message was altered on its way.");
    this.mixHash(text);
    return plaintext;
  }

  /** The two keys of the channel. */
  split(): Uint8Array {
    this.#key?.fill(0);
    this.#key = undefined;
    return this.#crypto.hkdf(this.#chainingKey, NOTHING, NOTHING, 2 * KEY_BYTES);
  }

  /** Handshake hash as salt, chaining key as material. */
  exportSecret(info: Uint8Array): Uint8Array {
    return this.#crypto.hkdf(this.#hash, this.#chainingKey, info, KEY_BYTES);
  }

  wipe(): void {
    this.#chainingKey.fill(0);
    this.#key?.fill(0);
  }
}

export interface SessionOptions {
  readonly initiator: boolean;
  /** What both ends must agree on unsaid. */
  readonly prologue: Uint8Array;
  /** X25519 private key. */
  readonly staticPrivate: Uint8Array;
  /** Random bytes fit for keys. */
  readonly random: (length: number) => Uint8Array;
  readonly crypto?: NoiseCrypto;
}

export interface SealToOptions {
  readonly remoteStatic: Uint8Array;
  readonly prologue: Uint8Array;
  readonly random: (length: number) => Uint8Array;
  readonly crypto?: NoiseCrypto;
}

export interface OpenSealedOptions {
  readonly staticPrivate: Uint8Array;
  readonly prologue: Uint8Array;
  readonly crypto?: NoiseCrypto;
}

interface HandshakeOptions {
  readonly pattern: Pattern;
  readonly initiator: boolean;
  readonly prologue: Uint8Array;
  readonly staticPrivate?: Uint8Array;
  readonly remoteStatic?: Uint8Array;
  readonly random?: (length: number) => Uint8Array;
  readonly crypto?: NoiseCrypto | undefined;
}

/** One end of a handshake and of the channel after it. */
export class Handshake {
  readonly #crypto: NoiseCrypto;
  readonly #pattern: Pattern;
  readonly #initiator: boolean;
  readonly #random: ((length: number) => Uint8Array) | undefined;
  readonly #symmetric: SymmetricState;
  readonly #last = new LastAccepted();
  #staticPrivate: Uint8Array | undefined;
  #ephemeralPrivate: Uint8Array | undefined;
  #remoteStatic: Uint8Array | undefined;
  #remoteEphemeral: Uint8Array | undefined;
  #step = 0;
  #ended = false;
  #exportable = false;
  #channel: Channel | undefined;

  constructor(options: HandshakeOptions) {
    this.#crypto = options.crypto ?? hostNoiseCrypto;
    this.#pattern = options.pattern;
    this.#initiator = options.initiator;
    this.#random = options.random;
    this.#staticPrivate = options.staticPrivate?.slice();
    this.#remoteStatic = options.remoteStatic?.slice();
    if (this.#staticPrivate !== undefined) assertBytes(this.#staticPrivate, "staticPrivate", KEY_BYTES);
    if (this.#remoteStatic !== undefined) assertBytes(this.#remoteStatic, "remoteStatic", KEY_BYTES);
    this.#symmetric = new SymmetricState(this.#crypto, this.#pattern.name);
    this.#symmetric.mixHash(options.prologue);
    if (this.#pattern.responderKnown) {
      this.#symmetric.mixHash(this.#initiator ? this.remoteStatic : this.#crypto.publicKey(this.#own("s")));
    }
  }

  get state(): "handshake" | "open" | "ended" {
    if (this.#ended || this.#channel?.isOpen === false) return "ended";
    return this.#channel === undefined ? "handshake" : "open";
  }

  /** Messages refused since the session is open. */
  get errors(): number {
    return this.#channel?.errors ?? 0;
  }

  /** Final once the session is open: the pay-id of a payment. */
  get hash(): Uint8Array {
    return this.#symmetric.hash;
  }

  get remoteStatic(): Uint8Array {
    if (this.#remoteStatic === undefined) throw unexpected("The peer has not shown its key yet.");
    return this.#remoteStatic.slice();
  }

  write(payload: Uint8Array): Uint8Array {
    return this.#endOnError(() => {
      const tokens = this.#nextTokens(true);
      if (payload.length > this.#pattern.payloadBytesMax) throw tooLong();
      const parts: Uint8Array[] = [];
      for (const token of tokens) {
        if (token === "e") parts.push(this.#writeEphemeral());
        else if (token === "s") parts.push(this.#symmetric.encryptAndHash(this.#crypto.publicKey(this.#own("s"))));
        else this.#mixAgreement(token);
      }
      parts.push(this.#symmetric.encryptAndHash(payload));
      this.#stepDone();
      return concatBytes(...parts);
    });
  }

  read(message: Uint8Array): Uint8Array {
    if (this.state !== "ended" && this.#last.isRepeat(message)) throw repeated();
    if (this.#channel?.isOpen) {
      const refusal = this.#channel.refuse(REASON_UNEXPECTED, "A handshake message came into an open session.");
      if (!this.#channel.isOpen) this.end();
      throw refusal;
    }
    return this.#endOnError(() => {
      let rest = message;
      const take = (length: number): Uint8Array => {
        if (rest.length < length) throw new NoiseError(REASON_MALFORMED, "A handshake message is too short.");
        const part = rest.slice(0, length);
        rest = rest.subarray(length);
        return part;
      };
      for (const token of this.#nextTokens(false)) {
        if (token === "e") {
          this.#remoteEphemeral = take(KEY_BYTES);
          this.#symmetric.mixHash(this.#remoteEphemeral);
        } else if (token === "s") {
          this.#remoteStatic = this.#symmetric.decryptAndHash(take(KEY_BYTES + this.#symmetric.extraBytes));
        } else this.#mixAgreement(token);
      }
      if (rest.length < this.#symmetric.extraBytes) take(this.#symmetric.extraBytes);
      if (rest.length - this.#symmetric.extraBytes > this.#pattern.payloadBytesMax) throw tooLong();
      const payload = this.#symmetric.decryptAndHash(rest);
      this.#last.remember(message);
      this.#stepDone();
      return payload;
    });
  }

  /** 32 secret bytes that only this session's ends share; until the first transport message, or forgetExport. */
  exportSecret(info: Uint8Array): Uint8Array {
    if (this.state !== "open" || !this.#exportable) throw unexpected("The session has nothing to export any more.");
    if (info.length === 0) throw new RangeError("info must not be empty");
    return this.#symmetric.exportSecret(info);
  }

  forgetExport(): void {
    this.#exportable = false;
    this.#symmetric.wipe();
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#requireChannel().seal(plaintext);
    this.forgetExport();
    return sealed;
  }

  open(sealed: Uint8Array): Uint8Array {
    const channel = this.#requireChannel();
    try {
      const plaintext = channel.open(sealed);
      this.forgetExport();
      return plaintext;
    } finally {
      if (!channel.isOpen) this.end();
    }
  }

  end(): void {
    this.#ended = true;
    this.forgetExport();
    this.#channel?.end();
    this.#staticPrivate?.fill(0);
    this.#eraseEphemeral();
  }

  #requireChannel(): Channel {
    if (this.#channel === undefined || this.#ended) throw unexpected("The session is not open.");
    return this.#channel;
  }

  #nextTokens(write: boolean): readonly Token[] {
    const tokens = this.#pattern.messages[this.#step];
    const mine = (this.#step % 2 === 0) === this.#initiator;
    if (this.state !== "handshake" || tokens === undefined || mine !== write) {
      throw unexpected("It is not this end's turn in the handshake.");
    }
    return tokens;
  }

  #writeEphemeral(): Uint8Array {
    if (this.#random === undefined) throw new TypeError("random must be given to make keys");
    this.#ephemeralPrivate = this.#random(KEY_BYTES).slice();
    const ephemeral = this.#crypto.publicKey(this.#ephemeralPrivate);
    this.#symmetric.mixHash(ephemeral);
    return ephemeral;
  }

  /** The first letter of a token is the initiator's key, the second the responder's. */
  #mixAgreement(token: "ee" | "es" | "se"): void {
    const mine = token[this.#initiator ? 0 : 1] === "e" ? "e" : "s";
    const theirs = token[this.#initiator ? 1 : 0] === "e" ? this.#remoteEphemeral : this.#remoteStatic;
    if (theirs === undefined) throw new Error(`the pattern has ${token} before the key it needs`);
    const secret = this.#crypto.agree(this.#own(mine), theirs);
    if (secret === undefined) throw new NoiseError(REASON_MALFORMED, "The peer sent a key that no honest peer has.");
    this.#symmetric.mixKey(secret);
    secret.fill(0);
  }

  #own(key: "e" | "s"): Uint8Array {
    const own = key === "e" ? this.#ephemeralPrivate : this.#staticPrivate;
    if (own === undefined) throw new TypeError(key === "s" ? "staticPrivate must be given" : "no ephemeral key yet");
    return own;
  }

  #stepDone(): void {
    this.#step += 1;
    if (this.#step < this.#pattern.messages.length) return;
    const keys = this.#symmetric.split();
    this.#channel = new Channel(this.#crypto, keys, this.#initiator, this.#last);
    keys.fill(0);
    this.#exportable = true;
    this.#eraseEphemeral();
  }

  #eraseEphemeral(): void {
    this.#ephemeralPrivate?.fill(0);
    this.#ephemeralPrivate = undefined;
  }

  #endOnError<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.#channel === undefined) this.end();
      throw error;
    }
  }
}

function unexpected(message: string): NoiseError {
  return new NoiseError(REASON_UNEXPECTED, message);
}

function tooLong(): NoiseError {
  return new NoiseError(REASON_TOO_LONG, `A handshake payload has at most ${HANDSHAKE_PAYLOAD_BYTES_MAX} bytes.`);
}

/** One end of a session: `Noise_XX_25519_ChaChaPoly_SHA256`, three messages, then a channel. */
export class Session extends Handshake {
  constructor(options: SessionOptions) {
    super({ ...options, pattern: XX });
  }
}

/** The sender's end of `Noise_N_25519_ChaChaPoly_SHA256`. */
export function oneWaySender(options: SealToOptions): Handshake {
  return new Handshake({ ...options, pattern: N, initiator: true });
}

/** The receiver's end. */
export function oneWayReceiver(options: OpenSealedOptions): Handshake {
  return new Handshake({ ...options, pattern: N, initiator: false });
}

/** Seals one message to the owner of a static key. Says nothing of who sealed: sign what is sealed. */
export function sealTo(options: SealToOptions, plaintext: Uint8Array): Uint8Array {
  const sender = oneWaySender(options);
  const sealed = sender.write(plaintext);
  sender.end();
  return sealed;
}

/** Opens what was sealed to a static key; a NoiseError where it was altered or sealed to another. */
export function openSealed(options: OpenSealedOptions, sealed: Uint8Array): Uint8Array {
  const receiver = oneWayReceiver(options);
  const plaintext = receiver.read(sealed);
  receiver.end();
  return plaintext;
}
