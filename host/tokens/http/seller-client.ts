/** A seller that an issuer reaches over HTTP, at the address that it registered. */

import type { SellerLine } from "../parties.js";
import { SELLER_PATHS } from "./mint-paths.js";
import { post } from "./post.js";

export interface SellerClientOptions {
  readonly answer_ms_max?: number;
}

const ANSWER_MS_MAX = 30_000;
/** The last tokens of the largest purse: 32 bytes each, and where they are. */
const ANSWER_BYTES_MAX = 40 * 1024 * 1024;

export class SellerClient implements SellerLine {
  readonly #address: string;
  readonly #answer_ms_max: number;

  constructor(address: string, { answer_ms_max = ANSWER_MS_MAX }: SellerClientOptions = {}) {
    this.#address = address.replace(/\/$/, "");
    this.#answer_ms_max = answer_ms_max;
  }

  async deliver(sellerPurse: Uint8Array): Promise<void> {
    await this.#ask(SELLER_PATHS.deliver, sellerPurse);
  }

  recall(signed: Uint8Array): Promise<Uint8Array> {
    return this.#ask(SELLER_PATHS.recall, signed);
  }

  async notice(signed: Uint8Array): Promise<void> {
    await this.#ask(SELLER_PATHS.notice, signed);
  }

  #ask(path: string, body: Uint8Array): Promise<Uint8Array> {
    const limits = { answer_ms_max: this.#answer_ms_max, answerBytes_max: ANSWER_BYTES_MAX };
    return post(this.#address + path, body, limits);
  }
}
