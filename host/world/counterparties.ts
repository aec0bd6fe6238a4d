/**
 * Whom a wallet or merchant of this home deals with: parts of the same home. A part that another process serves is reached
 * over a line; one that nobody serves is opened here, within this process, until the home is closed.
 */

import { receive } from "../applications/receive.js";
import { answerResume, settleAgent } from "../applications/resume.js";
import { shop } from "../applications/shop.js";
import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import { inProcessLink } from "../communications/in-process.js";
import type { PeerLink } from "../communications/link.js";
import type { Device } from "../device.js";
import { bankOverLines, LINE, resumptionUrl } from "../servers/purposes.js";
import { Directory, type Quote } from "../services/directory.js";
import type { Money, Unit } from "../units.js";
import type { Contact, Counterparties, Ends, Meeting } from "../wallet/counterparties.js";
import { NotAnAddressError } from "../wallet/remote-counterparties.js";
import { type OpenBank, openBank } from "./bank.js";
import type { Part } from "./claims.js";
import { PartInUseError } from "./claims.js";
import { contactsIn } from "./contacts.js";
import { type OpenNetwork, openNetwork } from "./network.js";
import type { OwnersDevice } from "./owners-device.js";
import type { MerchantPlan } from "./plan.js";
import { type Site, UnknownNameError } from "./site.js";
import { openTrader, type Trader } from "./trader.js";

/** A merchant's server needs the bank, and nobody serves it. */
export class BankNotServedError extends Error {
  constructor() {
    super("The bank is not served, so nothing can be withdrawn. No money moved. Start it with: tally bank serve");
    this.name = "BankNotServedError";
  }
}

/** How long the other end of a line may take to hang up; one that has gone may be back by then. */
const FAREWELL_MS_MAX = 5_000;

export class HomeCounterparties implements Counterparties {
  readonly #site: Site;
  readonly #opened: { bank?: OpenBank; network?: OpenNetwork; directory?: Directory } = {};
  readonly #traders = new Map<string, Trader>();
  readonly #devices = new Map<string, OwnersDevice>();
  /** Lines that are not over. Each says whether it ended in good order. */
  readonly #lines = new Set<Promise<boolean>>();

  constructor(site: Site) {
    this.#site = site;
  }

  // The bank.

  /** The bank where another process serves it, and none where nobody does: for a server, which would keep it for good. */
  static servedBank(site: Site, onOver: (fault: Error | undefined) => void = () => undefined): BankConnection {
    const bank = () => {
      const url = site.parts.home.holder("bank")?.url;
      if (url === undefined) throw new BankNotServedError();
      return bankOverLines(url, { ...site.parts, onOver });
    };
    return {
      connect: async (expected) => bank().connect(expected),
      connectForResume: async () => connectionForResume(bank()),
      refreshOwed: async (subjectId) => owedBy(bank(), subjectId),
    };
  }

  get bank(): BankConnection {
    return {
      connect: async (expected) => (await this.#bank()).connect(expected),
      connectForResume: async () => connectionForResume(await this.#bank()),
      refreshOwed: async (subjectId) => owedBy(await this.#bank(), subjectId),
    };
  }

  async #bank(): Promise<BankConnection> {
    const url = this.#servedAt("bank");
    if (url !== undefined) return this.#bankAt(url);
    this.#opened.bank ??= await openBank(this.#site);
    return this.#opened.bank.teller;
  }

  #bankAt(url: string): BankConnection {
    const connected = (work: (bank: BankConnection) => PeerLink | Promise<PeerLink> | undefined) =>
      this.#tracked(async (onOver) => {
        const link = await work(bankOverLines(url, { ...this.#site.parts, onOver }));
        if (link === undefined) throw new RangeError("bank: it cannot be resumed with");
        return link;
      });
    return {
      connect: (expected) => connected((bank) => bank.connect(expected)),
      connectForResume: () => connected((bank) => bank.connectForResume?.()),
    };
  }

  // Merchants.

  async accountUnit(issuer: string): Promise<Unit | undefined> {
    return this.#site.accountUnit(issuer);
  }

  async quotes(direction: "buy" | "sell", money: Money, account: Unit): Promise<Quote[]> {
    this.#opened.directory ??= await Directory.open(this.#site.parts.home.database("directory"));
    return shop(this.#opened.directory, direction, money, account);
  }

  async trade({ id }: { readonly id: string }): Promise<Meeting> {
    const plan = this.#merchantOf(id);
    const url = this.#servedAt(`merchant-${plan.name}`);
    if (url !== undefined) return this.#line(url, LINE.trade);
    const { merchant } = await this.#trader(plan);
    const [near, far] = inProcessLink();
    const served = merchant.serve(far).then(() => merchant.idle());
    // What became of the purchase the customer's side says.
    return { link: near, ended: served.catch(() => undefined) };
  }

  #merchantOf(agentId: string): MerchantPlan {
    const { merchants } = this.#site.plan;
    const plan = merchants.find((merchant) => this.#site.agentsOf(merchant).includes(agentId));
    if (plan === undefined) {
      const names = merchants.map(({ name }) => name);
      throw new UnknownNameError("merchant", agentId, names);
    }
    return plan;
  }

  async #trader(plan: MerchantPlan): Promise<Trader> {
    const known = this.#traders.get(plan.name);
    if (known !== undefined) return known;
    this.#opened.network ??= await openNetwork(this.#site);
    const trader = await openTrader(this.#site, plan, this.#opened.network, this.bank);
    this.#traders.set(plan.name, trader);
    await trader.merchant.recover();
    return trader;
  }

  // Other wallets.

  async payee(address: string): Promise<Meeting> {
    if (isUrl(address)) return this.#line(address, LINE.pay);
    if (address.includes(":")) throw new NotAnAddressError(address);
    const url = this.#servedAt(`wallet-${this.#site.customerPlan(address).name}`);
    if (url !== undefined) return this.#line(url, LINE.pay);
    const payee = await this.#device(address);
    // What breaks off is not to be looked for with whoever the payee dealt with last.
    contactsIn(this.#site.parts.home, address).begin(undefined, await payee.module.pending());
    return within((far) => receive(payee, far));
  }

  async #device(name: string): Promise<Device> {
    const known = this.#devices.get(name);
    if (known !== undefined) return known.device;
    // Its chips may be on a card in a reader of this computer.
    const opened = await this.#site.ownersDevice(name);
    const { device } = opened;
    try {
      await device.unlock(this.#site.record(name).pin);
      if (device.parts.agent !== undefined) await settleAgent(device);
    } catch (error) {
      await opened.close();
      throw error;
    }
    this.#devices.set(name, opened);
    return device;
  }

  // What is open.

  async resume(contact: Contact, ends: Ends): Promise<Meeting> {
    if (contact.kind === "bank") {
      const link = await connectionForResume(this.bank);
      return { link, ended: this.#opened.bank?.teller.idle() ?? Promise.resolve() };
    }
    if (contact.kind === "merchant") {
      const plan = this.#merchantOf(contact.id);
      const url = this.#servedAt(`merchant-${plan.name}`);
      if (url !== undefined) return this.#line(resumptionUrl(url, ends), LINE.resume);
      const { merchant } = await this.#trader(plan);
      return within(async (far) => {
        const { own: customer, peer: module } = ends;
        await merchant.answerResume(far, module === undefined ? { customer } : { module });
        await merchant.idle();
      });
    }
    return this.#resumeWithWallet(contact.address);
  }

  async #resumeWithWallet(address: string): Promise<Meeting> {
    const url = isUrl(address) ? address : this.#servedAt(`wallet-${this.#site.customerPlan(address).name}`);
    if (url !== undefined) return this.#line(url, LINE.resume);
    const other = await this.#device(address);
    return within((far) => answerResume(other, far));
  }

  /** Where another process serves the part; undefined when nobody has it. One that only works with it stands in the way. */
  #servedAt(part: Part): string | undefined {
    const { home } = this.#site.parts;
    const holder = home.holder(part);
    if (holder === undefined) return undefined;
    if (holder.url === undefined) throw new PartInUseError(home.place, part, holder);
    return holder.url;
  }

  async #line(url: string, purpose: string): Promise<Meeting> {
    const link = await this.#tracked((onOver) => openLine(url, purpose, { ...this.#site.parts, onOver }));
    return { link, ended: Promise.resolve() };
  }

  async #tracked(open: (onOver: (fault: Error | undefined) => void) => Promise<PeerLink>): Promise<PeerLink> {
    let over: (inGoodOrder: boolean) => void = () => undefined;
    const ended = new Promise<boolean>((resolve) => {
      over = resolve;
    });
    const link = await open((fault) => over(fault === undefined));
    this.#lines.add(ended);
    return link;
  }

  async farewell(): Promise<boolean> {
    const lines = [...this.#lines];
    this.#lines.clear();
    let giveUp: () => void = () => undefined;
    const late = new Promise<boolean>((resolve) => {
      giveUp = this.#site.parts.timers.after(FAREWELL_MS_MAX, () => resolve(false));
    });
    const ends = await Promise.race([Promise.all(lines), late]);
    giveUp();
    return ends === false || ends === true ? ends : ends.every((inGoodOrder) => inGoodOrder);
  }

  /** What was opened here is done with what it was told; the home closes their books. */
  async close(): Promise<void> {
    await this.#opened.bank?.teller.idle();
    for (const { outbox } of this.#traders.values()) await outbox.close();
    await this.#opened.network?.close();
    for (const { close } of this.#devices.values()) await close();
    this.#devices.clear();
  }
}

async function connectionForResume(bank: BankConnection): Promise<PeerLink> {
  const link = await bank.connectForResume?.();
  if (link === undefined) throw new RangeError("bank: it cannot be resumed with");
  return link;
}

async function owedBy(bank: BankConnection, subjectId: string): Promise<readonly Money[]> {
  return (await bank.refreshOwed?.(subjectId)) ?? [];
}

function isUrl(address: string): boolean {
  return /^wss?:/.test(address);
}

/** A peer of this process does its part; what it has to say of a failure its other side says too. */
function within(work: (far: PeerLink) => Promise<unknown>): Meeting {
  const [near, far] = inProcessLink();
  const ended = work(far).then(
    () => undefined,
    () => undefined,
  );
  return { link: near, ended };
}
