/**
 * A sealed channel: what a Noise session is after its handshake, and the link between agent and module of one device.
 * The same rules as `firmware/lib/channel.ts`: an implicit counter for each direction; the repeat of the last accepted
 * message is told apart and changes nothing; whatever else does not open is counted, and enough of it ends the channel.
 */

import { SESSION_ERRORS_MAX } from "../../firmware/protocol/limits.js";
import { REASON_BAD_SEAL, REASON_REPEAT, REASON_UNEXPECTED } from "../../firmware/protocol/reasons.js";
import { assertBytes } from "./bytes.js";
import { KEY_BYTES, type NoiseCrypto, TAG_BYTES } from "./noise-crypto.js";

/** A message that was refused, or, with REASON_REPEAT, one that was accepted before. */
export class NoiseError extends Error {
  override readonly name = "NoiseError";
  constructor(
    /** One of `firmware/protocol/reasons.ts`. */
    readonly reason: number,
    message: string,
  ) {
    super(message);
  }
}

const CHANNEL_INFO = new TextEncoder().encode("tallystick channel");
const NOTHING = new Uint8Array(0);

/** Noise's ChaChaPoly nonce: four zero bytes, then the counter in little-endian. */
export function counterNonce(counter: number): Uint8Array {
  if (!Number.isSafeInteger(counter) || counter < 0) throw new RangeError(`counter ${counter} is out of range`);
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  return nonce;
}

/** Keeps length and tag of the last accepted message. */
export class LastAccepted {
  #length = 0;
  #tag: Uint8Array = NOTHING;

  remember(message: Uint8Array): void {
    this.#length = message.length;
    this.#tag = message.slice(message.length - TAG_BYTES);
  }

  isRepeat(message: Uint8Array): boolean {
    if (message.length < TAG_BYTES || message.length !== this.#length) return false;
    const at = message.length - TAG_BYTES;
    return this.#tag.every((byte, index) => byte === message[at + index]);
  }
}

export function repeated(): NoiseError {
  return new NoiseError(
    REASON_REPEAT,
    "This message was already accepted. Nothing changed; send the stored reply to it again.",
  );
}

export class Channel {
  readonly #crypto: NoiseCrypto;
  readonly #sendKey: Uint8Array;
  readonly #receiveKey: Uint8Array;
  readonly #last: LastAccepted;
  #sendCounter = 0;
  #receiveCounter = 0;
  #errors = 0;
  #open = true;

  /** `keys`: both directions, the initiator's sending key first. `last`: the last message of a handshake before it. */
  constructor(crypto: NoiseCrypto, keys: Uint8Array, initiator: boolean, last = new LastAccepted()) {
    assertBytes(keys, "keys", 2 * KEY_BYTES);
    this.#crypto = crypto;
    const first = keys.slice(0, KEY_BYTES);
    const second = keys.slice(KEY_BYTES);
    this.#sendKey = initiator ? first : second;
    this.#receiveKey = initiator ? second : first;
    this.#last = last;
  }

  /** From one key that both ends hold and use for nothing else. */
  static fromKey(crypto: NoiseCrypto, key: Uint8Array, initiator: boolean): Channel {
    assertBytes(key, "key", KEY_BYTES);
    const keys = crypto.hkdf(NOTHING, key, CHANNEL_INFO, 2 * KEY_BYTES);
    const channel = new Channel(crypto, keys, initiator);
    keys.fill(0);
    return channel;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Messages refused so far. */
  get errors(): number {
    return this.#errors;
  }

  seal(plaintext: Uint8Array): Uint8Array {
    this.#requireOpen();
    const sealed = this.#crypto.seal(this.#sendKey, counterNonce(this.#sendCounter), NOTHING, plaintext);
    this.#sendCounter += 1;
    return sealed;
  }

  open(sealed: Uint8Array): Uint8Array {
    this.#requireOpen();
    if (this.isRepeat(sealed)) throw repeated();
    const plaintext = this.#crypto.open(this.#receiveKey, counterNonce(this.#receiveCounter), NOTHING, sealed);
    if (plaintext === undefined) {
      throw this.refuse(REASON_BAD_SEAL, "A sealed message was altered, or others are missing before it.");
    }
    this.#receiveCounter += 1;
    this.#last.remember(sealed);
    return plaintext;
  }

  isRepeat(message: Uint8Array): boolean {
    return this.#last.isRepeat(message);
  }

  /** Counts a refused message; the one that reaches the limit ends the channel. */
  refuse(reason: number, what: string): NoiseError {
    this.#errors += 1;
    if (this.#errors >= SESSION_ERRORS_MAX) this.end();
    const next = this.#open
      ? "It was not read; ask for it again."
      : "There were too many of them: the session is over.";
    return new NoiseError(reason, `${what} ${next}`);
  }

  end(): void {
    this.#open = false;
    this.#sendKey.fill(0);
    this.#receiveKey.fill(0);
  }

  #requireOpen(): void {
    if (!this.#open) throw new NoiseError(REASON_UNEXPECTED, "The session is over; open a new one.");
  }
}
