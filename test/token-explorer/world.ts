/**
 * A bank with its mint, an authorization service, a seller and two purses, each the real software: processes with books in files,
 * applets in simulated chips. Between them is the wire. A world is made anew for each way, from what `Template` prepared once.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { AID_PURSE } from "../../firmware/protocol/apdu.js";
import { ROLE_MINT, ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { toHex } from "../../host/codec/bytes.js";
import type { Root } from "../../host/codec/certificate.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { Element } from "../../host/element.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import type { RandomSource } from "../../host/randomness.js";
import { BankBooks, type BankTables } from "../../host/services/bank-books.js";
import { type Books, narrowed } from "../../host/services/database.js";
import { openSqlite } from "../../host/services/sqlite.js";
import { sellerIdOf } from "../../host/tokens/derive.js";
import { Mint, type MintIdentity, type MintOptions } from "../../host/tokens/mint/mint.js";
import type { Issuer, SellerLine } from "../../host/tokens/parties.js";
import { Seller, type SellerOptions } from "../../host/tokens/seller/seller.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import type { Applet } from "../../simulator/applet.js";
import { shippedApplet } from "../../simulator/applet-files.js";
import { Element as SimulatedElement } from "../../simulator/element.js";
import { seededRandom } from "../support/token-buyer.js";
import { VirtualTime } from "../support/virtual-time.js";
import { ExploredCard, newChip, Operations, PIN, PUK, type Traced } from "./chip.js";
import type { Fault } from "./faults.js";
import { HalvesWatch } from "./halves.js";
import { Service } from "./service.js";
import { Wire } from "./wire.js";

export const CENTS = { currency: 840, exponent: 2 };
/** Hundredths of a cent. */
export const FINE = { currency: 840, exponent: 4 };
export const DEPOSIT_CENTS = 100n;
export const ASSERTION = "over-21";
/** After the last second for spending. */
export const REDEEM_SECONDS = 3_600;
const OWNERS = ["alice", "bob"] as const;
/** Time that passes before somebody tries again. */
const PAUSE_MS = 3_000;
const ATTEMPTS_MAX = 12;
/** Timers that are set in one way: more than any needs, and fewer than one that sets them without an end. */
const TIMERS_MAX = 3_000;

/** How parts of the host are made: a deliberate defect makes another. */
export interface Makers {
  readonly openMint: (options: MintOptions) => Promise<Mint>;
  readonly openSeller: (options: SellerOptions) => Promise<Seller>;
}

const REAL: Makers = { openMint: (options) => Mint.open(options), openSeller: (options) => Seller.open(options) };

/** What ways begin with. */
export class Template {
  readonly folder = mkdtempSync(join(tmpdir(), "tallystick-tokens-"));
  readonly root: Root;
  readonly identities: { readonly mint: MintIdentity; readonly service: MintIdentity };
  readonly sellerKeys = { signatureSeed: new Uint8Array(32).fill(11), agreementSecret: new Uint8Array(32).fill(12) };
  readonly sellerId: Uint8Array;
  readonly cards: { readonly image: Uint8Array; readonly id: Uint8Array }[] = [];
  readonly #agencies: { agents: Agency; modules: Agency };
  readonly #random: RandomSource;

  private constructor(seed: string) {
    this.#random = seededRandom(seed);
    const now = Number(new VirtualTime().now_seconds());
    const secrets = newAgencies(this.#random, now);
    this.#agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
    this.root = this.#agencies.agents.root;
    const identity = (fill: number): MintIdentity => {
      const [seed, agreementSecret] = [new Uint8Array(32).fill(fill), new Uint8Array(32).fill(fill + 1)];
      const keys = {
        signatureKey: ed25519Signer(seed).publicKey,
        agreementKey: x25519KeyPair(agreementSecret).publicKey,
      };
      const id = new Uint8Array(16).fill(fill);
      return { chain: this.#agencies.agents.issue({ id, role: ROLE_MINT, ...keys }, now), seed, agreementSecret };
    };
    this.identities = { mint: identity(0xa0), service: identity(0xb0) };
    const { agreementKey, signatureKey } = this.sellerPublicKeys;
    this.sellerId = sellerIdOf(signatureKey, agreementKey);
  }

  get sellerPublicKeys() {
    const { agreementSecret, signatureSeed } = this.sellerKeys;
    return {
      signatureKey: ed25519Signer(signatureSeed).publicKey,
      agreementKey: x25519KeyPair(agreementSecret).publicKey,
    };
  }

  static async make(seed: string): Promise<Template> {
    const template = new Template(seed);
    for (const name of OWNERS) template.cards.push(await template.#card(name));
    await template.#books();
    return template;
  }

  /** Always by the release applet: a defect begins with the life of the purse. */
  async #card(name: string) {
    const time = new VirtualTime();
    const chip = newChip(name, time.clock);
    const element = await Element.select(
      new SimulatorTransport(new SimulatedElement(shippedApplet("purse"), chip)),
      AID_PURSE,
    );
    const order = { role: ROLE_PURSE, pin: PIN, puk: PUK };
    await personalise(element, this.#agencies, order, this.#random, time.now_seconds());
    await finishPersonalisation(element);
    await element.verifyPin(PIN);
    return { image: chip.snapshot(), id: element.id };
  }

  async #books(): Promise<void> {
    const time = new VirtualTime();
    const common = { root: this.root, clock: time, timers: time, random: this.#random, lineOf: () => undefined };
    const entry = { id: this.sellerId, ...this.sellerPublicKeys, address: "" };
    const database = openSqlite<unknown>(join(this.folder, "mint.template"), []);
    const bank = await BankBooks.open(database, time);
    for (const name of [...OWNERS, "shop"]) await bank.openDeposit(name, CENTS);
    for (const name of OWNERS)
      await bank.fund({ id: `fund/${name}`, account: name, unit: CENTS, amount: DEPOSIT_CENTS });
    const mint = await Mint.open({ identity: this.identities.mint, bank, database, ...common });
    for (const [at, name] of OWNERS.entries()) await mint.addBuyer(toHex(this.cards[at]?.id ?? new Uint8Array()), name);
    await mint.addSeller({ ...entry, account: "shop" });
    mint.close();
    await database.destroy();
    const papers = openSqlite<unknown>(join(this.folder, "service.template"), []);
    const service = await Mint.open({ identity: this.identities.service, database: papers, ...common });
    await service.addSeller({ ...entry, account: null });
    const until = Number(time.now_seconds()) + 400 * 86_400;
    for (const { id } of this.cards) await service.addAssertion(toHex(id), ASSERTION, until);
    service.close();
    await papers.destroy();
    const shop = openSqlite<unknown>(join(this.folder, "seller.template"), []);
    await Seller.open({ keys: this.sellerKeys, database: shop, ...common, issuers: [] });
    await shop.destroy();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface WorldOptions {
  readonly template: Template;
  readonly faults: readonly Fault[];
  readonly applet: Applet;
  readonly makers?: Partial<Makers>;
  readonly isTraced?: boolean;
}

/** Something that must happen does not, however often it is tried. */
export class Stuck extends Error {
  override readonly name = "Stuck";
}

export class World {
  readonly time = new VirtualTime();
  readonly wire: Wire;
  readonly operations: Operations;
  readonly halves = new HalvesWatch();
  readonly template: Template;
  readonly mint: Service<Mint>;
  readonly service: Service<Mint>;
  readonly seller: Service<Seller>;
  readonly cards: readonly ExploredCard[];
  /** Whether the issuers know how to reach the seller; else it collects. */
  isReachable = true;
  /** The seller answers no recall. */
  withholds = false;
  /** Somebody sets one timer after the other. */
  isEndless = false;
  #timers = 0;
  readonly #random = seededRandom("way");
  readonly #struck = new Set<Fault>();

  constructor({ applet, faults, isTraced = false, makers = {}, template }: WorldOptions) {
    this.template = template;
    const struck = (fault: Fault) => {
      this.#struck.add(fault);
      this.wire.note(`*** ${fault.kind} ${JSON.stringify(fault)}`);
    };
    this.wire = new Wire(faults);
    this.wire.before = (message) => this.#restartBefore(message, faults, struck);
    this.operations = new Operations(faults, struck, isTraced, () => this.wire.sent.length);
    const made = { ...REAL, ...makers };
    const service = <Program>(
      name: "mint" | "service" | "seller",
      open: (database: Books, isAlive: () => boolean) => Promise<Program>,
    ) => {
      const file = join(template.folder, `${name}.db`);
      return new Service<Program>({
        name,
        file,
        faults,
        struck,
        open: async (database, isAlive) => {
          const program = await open(database, isAlive);
          return { program, close: () => (program instanceof Mint ? program.close() : undefined) };
        },
      });
    };
    const { time } = this;
    const redeem_seconds = REDEEM_SECONDS;
    const timers = { after: (delay_ms: number, call: () => void) => this.#after(delay_ms, call) };
    const common = { root: template.root, clock: time, timers, random: this.#random, redeem_seconds };
    this.mint = service("mint", async (database, isAlive) => {
      const bank = await BankBooks.open(narrowed<BankTables>(database) as Kysely<BankTables>, time);
      const lineOf = () => this.#sellerLine(isAlive, "mint");
      return made.openMint({ identity: template.identities.mint, bank, database, ...common, lineOf });
    });
    this.service = service("service", (database, isAlive) => {
      const lineOf = () => this.#sellerLine(isAlive, "service");
      return made.openMint({ identity: template.identities.service, database, ...common, lineOf });
    });
    this.seller = service("seller", (database, isAlive) => {
      const { identities, root, sellerKeys } = template;
      const issuers = [
        { chain: identities.mint.chain, line: this.#issuerLine(this.mint, isAlive) },
        { chain: identities.service.chain, line: this.#issuerLine(this.service, isAlive), assertions: [ASSERTION] },
      ];
      return made.openSeller({ keys: sellerKeys, database, root, issuers, clock: time, random: this.#random });
    });
    const { operations, halves: watch } = this;
    this.cards = template.cards.map(
      ({ image }, at) =>
        new ExploredCard(at, { name: OWNERS[at] ?? "", applet, clock: time.clock, image, operations, watch }),
    );
  }

  get services(): readonly Service<unknown>[] {
    return [this.mint, this.service, this.seller] as Service<unknown>[];
  }

  get trace(): readonly Traced[] {
    for (const card of this.cards) card.endTrace();
    return this.operations.trace ?? [];
  }

  /** Faults that found nothing to strike. */
  missed(faults: readonly Fault[]): Fault[] {
    return faults.filter((fault) => !this.#struck.has(fault) && !this.wire.struck.has(fault));
  }

  async start(): Promise<void> {
    for (const each of this.services) {
      each.begin(join(this.template.folder, `${each.name}.template`));
      await each.ensure();
    }
    for (const card of this.cards) await this.until("a card is put in", () => card.start(this.time.now_seconds()));
  }

  async stop(): Promise<void> {
    for (const each of this.services) await each.stop();
  }

  #after(delay_ms: number, call: () => void): () => void {
    this.#timers += 1;
    this.isEndless ||= this.#timers > TIMERS_MAX;
    return this.isEndless ? () => {} : this.time.after(delay_ms, call);
  }

  /** Tries until it happens; whoever lost power or died is started again before. */
  async until<Result>(what: string, attempt: () => Promise<Result>): Promise<Result> {
    let last: unknown;
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      try {
        return await this.time.run(attempt());
      } catch (error) {
        last = error;
        await this.recover();
      }
    }
    throw new Stuck(`${what}: it does not happen, ${last instanceof Error ? last.message : String(last)}`, {
      cause: last,
    });
  }

  async recover(): Promise<void> {
    for (const each of this.services) await each.ensure();
    for (const card of this.cards) {
      if (card.isOn) continue;
      await card.start(this.time.now_seconds()).catch(() => card.start(this.time.now_seconds()));
    }
    await this.pass(PAUSE_MS);
  }

  async pass(duration_ms: number): Promise<void> {
    await this.time.run(new Promise<void>((resolve) => void this.time.after(duration_ms, resolve)));
  }

  async #restartBefore(message: number, faults: readonly Fault[], struck: (fault: Fault) => void): Promise<void> {
    for (const fault of faults) {
      if (fault.kind !== "restart" || fault.message !== message) continue;
      struck(fault);
      if (fault.who === "card") for (const card of this.cards) await card.start(this.time.now_seconds());
      else for (const each of this.services) if (each.name === fault.who) await each.restart();
    }
  }

  #sellerLine(isAlive: () => boolean, from: string): SellerLine | undefined {
    if (!this.isReachable) return undefined;
    const send = <Result>(
      what: string,
      sealed: Uint8Array,
      work: (seller: Seller, part: Uint8Array) => Promise<Result>,
    ) =>
      this.#from(isAlive, `${from} to seller: ${what}`, [sealed], ([part]) =>
        this.seller.call(what, (seller) => work(seller, part as Uint8Array)),
      );
    return {
      deliver: (sealed) => send("purse", sealed, (seller, part) => seller.deliver(part)),
      recall: (signed) => {
        if (this.withholds) return Promise.reject(new Error("the seller does not answer"));
        return send("recall", signed, (seller, part) => seller.recall(part));
      },
      notice: (signed) => send("notice", signed, (seller, part) => seller.notice(part)),
    };
  }

  /** How the seller reaches an issuer. */
  #issuerLine(to: Service<Mint>, isAlive: () => boolean): Issuer {
    const send = <Result>(
      what: string,
      parts: readonly Uint8Array[],
      work: (mint: Mint, parts: readonly Uint8Array[]) => Promise<Result>,
    ) =>
      this.#from(isAlive, `seller to ${to.name}: ${what}`, parts, (arrived) =>
        to.call(what, (mint) => work(mint, arrived)),
      );
    const one = ([part]: readonly Uint8Array[]) => part as Uint8Array;
    return {
      forward: (word, sealed) =>
        send("forward", [word, sealed], (mint, [first, second]) =>
          mint.forward(first as Uint8Array, second as Uint8Array),
        ),
      request: (sealed) => send("request", [sealed], (mint, parts) => mint.request(one(parts))),
      redeem: (sealed) => send("redeem", [sealed], (mint, parts) => mint.redeem(one(parts))),
      returned: (sealed) => send("return", [sealed], (mint, parts) => mint.returned(one(parts))),
      collect: (word) => send("collect", [word], (mint, parts) => mint.collect(one(parts))),
      refund: (sealed) => send("refund", [sealed], (mint, parts) => mint.refund(one(parts))),
    };
  }

  /** A process that is dead says nothing any more. */
  #from<Result>(
    isAlive: () => boolean,
    what: string,
    parts: readonly Uint8Array[],
    deliver: (parts: readonly Uint8Array[]) => Promise<Result>,
  ): Promise<Result> {
    // While it is opened nobody knows yet whether it will live; it may speak.
    if (!isAlive()) return Promise.reject(new Error("dead"));
    return this.wire.send(what, parts, deliver);
  }
}
