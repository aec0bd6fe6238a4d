/** What the parts of an issuer share. */

import type { Root } from "../../codec/certificate.js";
import type { Signer } from "../../codec/signer.js";
import type { KeyPair } from "../../crypto.js";
import type { SellerLine } from "../parties.js";
import type { MintBooks } from "./books.js";
import type { Couriers } from "./couriers.js";
import type { MintMoney } from "./money.js";
import type { RegisteredSeller, Registers } from "./registers.js";

export interface MintParts {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly signer: Signer;
  readonly agreement: KeyPair;
  /** Of the issuer. */
  readonly chain: Uint8Array;
  readonly random: (length: number) => Uint8Array;
  readonly books: MintBooks;
  readonly registers: Registers;
  /** An authorization service has none. */
  readonly money: MintMoney | undefined;
  readonly couriers: Couriers;
  /** Undefined where the seller is not reached, and only collects. */
  readonly lineOf: (seller: RegisteredSeller) => SellerLine | undefined;
  /** Of the agents' tree. */
  readonly root: Root;
  /** Whether nobody deals with this subject any more. */
  readonly isBad: (subject: Uint8Array) => boolean;
  /** How long tokens may be spent, at most, and how long after that they are redeemed. */
  readonly spend_seconds_max: number;
  readonly redeem_seconds: number;
  /** Seconds since 1970. */
  readonly now: () => number;
}
