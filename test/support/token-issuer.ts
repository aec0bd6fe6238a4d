/** An issuer of token halves by the formulas of docs/TOKENS.md and nothing else: no accounts, nothing on a disk. For tests of sellers. */

import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import { CREDIT_REDEEMED, CREDIT_REFUNDED, WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import type { Agency } from "../../host/agencies.js";
import { concatBytes, equalBytes, toHex } from "../../host/codec/bytes.js";
import { decodeChain, readCertificate } from "../../host/codec/certificate.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, type KeyPair, sha256, x25519KeyPair } from "../../host/crypto.js";
import type { RandomSource } from "../../host/randomness.js";
import { openBulk, sealBulk } from "../../host/tokens/bulk.js";
import {
  buyerHalf,
  halfKey,
  leavesRoot,
  orderKey,
  TokenSecrets,
  tokenLeaf,
  xorInto,
} from "../../host/tokens/derive.js";
import { TokenError } from "../../host/tokens/errors.js";
import { openClose, signNotice, signRecall } from "../../host/tokens/messages/closing.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { encodeSellerPurse, sealShare, signHead, signShare } from "../../host/tokens/messages/purses.js";
import { openRequest, readRequest, type TokenRequest, verifyRequest } from "../../host/tokens/messages/request.js";
import { readPresented, readWord, readWordAbout, verifyWord } from "../../host/tokens/messages/words.js";
import type { IssuedPurses, Issuer, Redemption, Refund, Waiting } from "../../host/tokens/parties.js";
import { type SerialRange, tokenCount, tokenValue } from "../../host/tokens/terms.js";
import { bytesFrom, type IssuerKeys } from "./token-buyer.js";

interface IssuedPurse {
  readonly id: Uint8Array;
  /** Of each holder, in the order of their index. */
  readonly requests: (TokenRequest | undefined)[];
  readonly secrets: TokenSecrets;
  readonly redeemed: Set<number>;
}

interface SellerKeys {
  readonly id: Uint8Array;
  readonly signatureKey: Uint8Array;
  readonly agreementKey: Uint8Array;
}

export class TestIssuer implements Issuer {
  readonly keys: IssuerKeys;
  readonly chain: Uint8Array;
  readonly signer: Signer;
  waiting: { purses: Uint8Array[]; recalls: Uint8Array[]; notices: Uint8Array[] } = {
    purses: [],
    recalls: [],
    notices: [],
  };
  readonly purses: IssuedPurse[] = [];
  readonly #agreement: KeyPair;
  readonly #random: (length: number) => Uint8Array;
  readonly #now: () => number;
  #seller: SellerKeys | undefined;
  readonly #answers = new Map<string, Redemption>();

  constructor(agency: Agency, random: RandomSource, now: () => number) {
    this.#random = bytesFrom(random);
    this.#now = now;
    this.signer = ed25519Signer(this.#random(32));
    this.#agreement = x25519KeyPair(this.#random(32));
    const id = this.#random(16);
    const { publicKey: agreementKey } = this.#agreement;
    this.keys = { id, signatureKey: this.signer.publicKey, agreementKey };
    this.chain = agency.issue({ ...this.keys, role: ROLE_MINT }, now());
  }

  serve(seller: SellerKeys): void {
    this.#seller = seller;
  }

  async forward(word: Uint8Array, sealed: Uint8Array): Promise<IssuedPurses> {
    const said = readWord(word);
    verifyWord(word, this.#sellerKeys.signatureKey);
    if (said.type !== WORD_FORWARD || !equalBytes(said.digest, sha256(sealed))) throw new Error("another word");
    return this.issue(sealed);
  }

  /** Fig. 4. */
  issue(sealed: Uint8Array): IssuedPurses {
    const { chain, signed } = openRequest(sealed, { staticPrivate: this.#agreement.secretKey });
    const buyer = readCertificate(decodeChain(chain).device);
    verifyRequest(signed, buyer.signatureKey);
    const request = readRequest(signed);
    const purse = this.#purseOf(request);
    const { holders, index } = request.joint ?? { holders: 1, index: 0 };
    purse.requests[index] = request;
    if (purse.requests.filter((each) => each !== undefined).length < holders)
      throw new TokenError("waiting", "The other holders have not asked yet.");
    const { nonce, buyer: subject } = request;
    const redeemBy_seconds = request.spendBy_seconds + 86_400;
    const share = signShare(
      { ...request, nonce, purse: purse.id, buyer: subject, redeemBy_seconds, holders, index },
      this.signer,
    );
    const sealedShare = sealShare(share, { remoteStatic: buyer.agreementKey, random: this.#random });
    return { sellerPurse: this.sellerPurse(purse), share: sealedShare, halves: null };
  }

  #purseOf(request: TokenRequest): IssuedPurse {
    const same = (other: TokenRequest | undefined) =>
      other !== undefined &&
      (equalBytes(other.nonce, request.nonce) ||
        (request.joint !== null && other.joint !== null && equalBytes(other.joint.id, request.joint.id)));
    const known = this.purses.find(({ requests }) => requests.some(same));
    if (known !== undefined) return known;
    const id = this.#random(16);
    const purse: IssuedPurse = { id, requests: [], secrets: new TokenSecrets(this.#random(32)), redeemed: new Set() };
    this.purses.push(purse);
    return purse;
  }

  /** Sealed anew each time. `change` spoils what is in it before it is sealed. */
  sellerPurse(
    purse: IssuedPurse,
    change: (contents: Parameters<typeof encodeSellerPurse>[0]) => Parameters<typeof encodeSellerPurse>[0] = (same) =>
      same,
    headParts: object = {},
  ): Uint8Array {
    const requests = purse.requests.filter((each) => each !== undefined);
    const [request] = requests;
    if (request === undefined) throw new Error("nobody asked");
    const tokens = Array.from({ length: tokenCount(request.denominations) }, (_, serial) => {
      const secret = purse.secrets.secret(serial).slice();
      const unique = purse.secrets.unique(serial).slice();
      const value = tokenValue(request.denominations, serial) ?? 0n;
      const leaf = tokenLeaf(purse.id, serial, value, unique, secret);
      for (const { seed } of requests) xorInto(secret, buyerHalf(halfKey(seed), purse.id, serial));
      return { leaf: leaf.slice(), unique, half: secret };
    });
    const leaves = concatBytes(...tokens.map(({ leaf }) => leaf));
    const head = signHead(
      {
        ...request,
        purse: purse.id,
        redeemBy_seconds: request.spendBy_seconds + 86_400,
        holders: requests.length,
        root: leavesRoot(leaves),
        ...headParts,
      },
      this.signer,
    );
    const contents = encodeSellerPurse(
      change({
        head,
        chain: this.chain,
        orderKeys: requests.map(({ seed }) => orderKey(seed)),
        leaves,
        uniques: concatBytes(...tokens.map(({ unique }) => unique)),
        halves: concatBytes(...tokens.map(({ half }) => half)),
      }),
    );
    const options = { remoteStatic: this.#sellerKeys.agreementKey, prologue: PROLOGUE.purse, random: this.#random };
    return sealBulk(options, contents);
  }

  request(): Promise<never> {
    throw new Error("nobody asks this issuer straight away");
  }

  /** Fig. 9. */
  async redeem(sealed: Uint8Array): Promise<Redemption> {
    const opened = openBulk({ staticPrivate: this.#agreement.secretKey, prologue: PROLOGUE.seller }, sealed);
    const { about, word } = readWordAbout(opened);
    verifyWord(word, this.#sellerKeys.signatureKey);
    const said = readWord(word);
    if (said.purse === null || !equalBytes(said.digest, sha256(about))) throw new Error("another word");
    const known = this.#answers.get(toHex(said.request));
    if (known !== undefined) return known;
    const { purse: id } = said;
    const purse = this.purses.find((each) => equalBytes(each.id, id));
    const request = purse?.requests[0];
    if (purse === undefined || request === undefined) throw new TokenError("unknown-purse", "There is none such.");
    const { ranges, secrets } = readPresented(about);
    const refused: Redemption["refused"][number][] = [];
    let [amount, tokens, at] = [0n, 0, 0];
    for (const serial of serialsOf(ranges)) {
      const secret = secrets.subarray(at, at + 32);
      at += 32;
      if (!equalBytes(secret, purse.secrets.secret(serial))) refused.push({ serial, why: "wrong-secret" });
      else if (purse.redeemed.has(serial)) refused.push({ serial, why: "already-redeemed" });
      else {
        purse.redeemed.add(serial);
        amount += tokenValue(request.denominations, serial) ?? 0n;
        tokens += 1;
      }
    }
    const about_ = { what: CREDIT_REDEEMED, purse: purse.id, subject: said.seller, request: said.request };
    const notice = signNotice(
      { ...about_, tokens, amount, unit: request.unit, time_seconds: this.#now() },
      this.signer,
    );
    const answer = { notice, refused };
    this.#answers.set(toHex(said.request), answer);
    return answer;
  }

  returned(sealed: Uint8Array): Promise<Redemption> {
    return this.redeem(sealed);
  }

  recall(purse: Uint8Array, seller: Uint8Array = this.#sellerKeys.id): Uint8Array {
    return signRecall({ purse, seller, time_seconds: this.#now() }, this.signer);
  }

  /** To the seller: the purse is closed. */
  closed({ id, redeemed, requests }: IssuedPurse): Uint8Array {
    const [request] = requests;
    if (request === undefined) throw new Error("nobody asked");
    const amount = [...redeemed].reduce((sum, serial) => sum + (tokenValue(request.denominations, serial) ?? 0n), 0n);
    const what = { what: CREDIT_REFUNDED, purse: id, subject: this.#sellerKeys.id, request: null };
    return signNotice(
      { ...what, tokens: redeemed.size, amount, unit: request.unit, time_seconds: this.#now() },
      this.signer,
    );
  }

  /** The signed close in it. */
  openClose(sealed: Uint8Array): Uint8Array {
    return openClose(sealed, { staticPrivate: this.#agreement.secretKey });
  }

  async collect(): Promise<Waiting> {
    return this.waiting;
  }

  refund(): Promise<Refund> {
    throw new Error("this issuer refunds nothing");
  }

  get #sellerKeys(): SellerKeys {
    if (this.#seller === undefined) throw new Error("no seller");
    return this.#seller;
  }
}

export function serialsOf(ranges: readonly SerialRange[]): number[] {
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
}
