/** An economy to measure: one merchant with much stock, and as many customers as there are transactions. */

import { buy } from "../applications/buy.js";
import { meet } from "../applications/deal.js";
import { pay } from "../applications/pay.js";
import { receive } from "../applications/receive.js";
import { withdraw } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import { inProcessLink } from "../communications/in-process.js";
import type { Device } from "../device.js";
import { systemRandom } from "../randomness.js";
import { MerchantServer } from "../servers/merchant-server.js";
import { LINE } from "../servers/purposes.js";
import { systemClock, systemTimers } from "../services/clock.js";
import { StatusWordError } from "../status-words.js";
import { type Money, parseMoney, unitOf } from "../units.js";
import type { Home } from "../world/home.js";
import { createWorld } from "../world/init.js";
import { type CustomerPlan, cardNumber, type WorldPlan } from "../world/plan.js";
import type { NetworkMode } from "../world/site.js";
import type { World } from "../world/world.js";
import type { Subject } from "./measure.js";

const ISSUER = "meadow-bank";
const BIN = "400000";
/**
 * What is bought, and what in the second pass over the same customers: two receipts alike in all fields, of one second,
 * would be one purchase asked for twice.
 */
const PURCHASES = ["USD 10.00", "USD 11.00"].map((text) => parseMoney(text));
const PURCHASES_AGAIN = ["USD 12.00", "USD 13.00"].map((text) => parseMoney(text));
/** A payer holds two of these: a payment takes one whole and divides the other. */
const NOTE = parseMoney("USD 10.00");
const PAYMENT = parseMoney("USD 15.00");
const WALLETS = "wallets";
const PROMPTS = {
  confirmMerchant: () => true,
  chooseCard: <Card>(cards: readonly Card[]) => cards[0],
  confirmReceipt: () => true,
};

/** How many parties of each kind there are. */
export interface EconomySize {
  readonly customers: number;
  readonly payers: number;
  /** Devices of the merchant; one by default. */
  readonly tills?: number;
}

function planOf({ customers, payers, tills = 1 }: EconomySize): WorldPlan {
  const usd = unitOf("USD");
  const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}-${index}`);
  const names = numbered("customer", customers);
  const account = (number: string, opening: bigint) => ({ bank: ISSUER, number, unit: usd, opening });
  return {
    bank: { id: "harbour-bank", deposits: ["USD 5000000.00"] },
    issuers: [{ bank: ISSUER, bin: BIN, currency: "USD" }],
    accounts: [
      ...names.map((name) => account(`current-${name}`, 100_000n)),
      account("settlement-merchant", 100_000_000n),
    ],
    merchants: [
      {
        name: "merchant",
        title: "Measured Money",
        number: "MERCHANT",
        settlement: { bank: ISSUER, number: "settlement-merchant" },
        stock: Array.from({ length: tills }, () => ["USD 50000.00"]),
        offers: (["buy", "sell"] as const).map((direction) => {
          const rate = { numerator: 1n, denominator: 1n };
          return { direction, money: usd, account: usd, rate, feeFixed: 10n, feePermille: 0n };
        }),
      },
    ],
    customers: [
      ...names.map((name, index) => customerPlan(name, index)),
      ...[...numbered("payer", payers), ...numbered("payee", payers)].map((name) => {
        return { name, holder: name, cards: [] };
      }),
    ],
    rates: [],
    cardExpiry: "3112",
  };
}

function customerPlan(name: string, index: number): CustomerPlan {
  const card = { number: cardNumber(BIN, index), kind: "debit", bank: ISSUER, account: `current-${name}` } as const;
  return { name, holder: `Customer ${index}`, cards: [{ ...card, status: "active", dailyLimit: 100_000n }] };
}

export async function openEconomy(home: Home, size: EconomySize, network: NetworkMode): Promise<Economy> {
  const parts = { home, clock: systemClock, timers: systemTimers, random: systemRandom, network };
  const world = await createWorld({ ...parts, plan: planOf(size) });
  const unit = unitOf("USD");
  await world.books.openDeposit(WALLETS, unit);
  await world.books.fund({ id: `opening/${WALLETS}`, account: WALLETS, amount: 100_000_000n, unit });
  return new Economy(world);
}

/** How long a crowd of customers took, from the first connection to the last customer's end. */
export interface Crowd {
  readonly customers: number;
  readonly tills: number;
  readonly milliseconds: number;
}

const CROWD = parseMoney("USD 10.00");

export class Economy {
  constructor(readonly world: World) {}

  /** A customer, whose device was powered on for it, buys from the merchant, which never met it before. */
  purchase(): Subject {
    return this.#purchase(PURCHASES, (customer) => restart(this.world, customer));
  }

  /** The same two once more, without a power-off between: each remembers the other's certificates. */
  purchaseAgain(): Subject {
    return this.#purchase(PURCHASES_AGAIN, async () => undefined);
  }

  #purchase(amounts: readonly Money[], prepare: (customer: Device) => Promise<void>): Subject {
    const { merchant } = this.world.trader("merchant");
    const customer = (index: number) => this.world.device(`customer-${index}`);
    return {
      prepare: (index) => prepare(customer(index)),
      run: async (index, pass) => {
        const money = amounts[pass % amounts.length] as Money;
        const sides = { customer: customer(index), merchant, prompts: PROMPTS };
        const deal = await meet(sides, "buy", money);
        if (deal.customer.status === "rejected") throw deal.customer.reason;
        if (deal.merchant.status === "rejected") throw deal.merchant.reason;
        if (deal.customer.value.provisional || deal.merchant.value.outcome !== "done")
          throw new BenchError("a purchase");
      },
      traffic: () => this.#traffic(),
    };
  }

  /** Two modules that never met before, both powered on for it: one note goes whole, one is divided. */
  payment(): Subject {
    const { world } = this;
    return {
      prepare: async (index) => {
        const payer = world.device(`payer-${index}`);
        await world.books.link(WALLETS, payer.module.idHex);
        await withdraw(payer, world.bank, WALLETS, NOTE);
        await withdraw(payer, world.bank, WALLETS, NOTE);
        await world.bank.idle();
        if ((await payer.module.notes()).length !== 2) throw new BenchError("a withdrawal");
        await restart(world, payer);
        await restart(world, world.device(`payee-${index}`));
      },
      run: async (index) => {
        const [near, far] = inProcessLink();
        const paying = pay(world.device(`payer-${index}`), near, PAYMENT);
        const receiving = receive(world.device(`payee-${index}`), far);
        const [sent] = await Promise.all([paying, receiving]);
        if (!sent.confirmed) throw new BenchError("a payment");
      },
      traffic: () => this.#traffic(),
    };
  }

  #traffic(): { apdus: number; bytes: number } {
    const total = { apdus: 0, bytes: 0 };
    for (const device of this.world.devices.values()) {
      for (const { client } of device.elements()) {
        total.apdus += client.traffic.apdus;
        total.bytes += client.traffic.bytes;
      }
    }
    return total;
  }

  /** As many customers as there are buy at the same moment, each over a line to the merchant's server. */
  async crowd(): Promise<Crowd> {
    const { world } = this;
    const { merchant, devices, outbox } = world.trader("merchant");
    const parts = { timers: systemTimers, random: systemRandom };
    const server = await MerchantServer.open(merchant, parts);
    const customers = [...world.customers.values()].filter(({ plan }) => plan.cards.length > 0);
    const before = performance.now();
    const bought = await Promise.allSettled(
      customers.map(async ({ device }) => buy(device, await openLine(server.url, LINE.trade, parts), CROWD, PROMPTS)),
    );
    const milliseconds = performance.now() - before;
    await server.close();
    await merchant.idle();
    const failed = bought.find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const left = (await outbox.unfinished()).length;
    const audit = await world.audit();
    if (left > 0 || !audit.every(({ balanced }) => balanced)) throw new BenchError("a crowd");
    return { customers: customers.length, tills: devices.length, milliseconds };
  }

  close(): Promise<void> {
    return this.world.close();
  }
}

/** A second: what the clock of a chip and this one may be apart by rounding. */
const CLOCKS_APART_MS = 1_000;

/**
 * Power off and on. A chip takes no date before what its own clock had reached, which may be the next second already: then
 * it is asked again a second later.
 */
async function restart(world: World, device: Device): Promise<void> {
  const pin = world.state.devices.find(({ name }) => name === device.name)?.pin ?? "";
  try {
    await device.restart(pin);
  } catch (error) {
    if (!(error instanceof StatusWordError)) throw error;
    await new Promise<void>((resolve) => {
      setTimeout(resolve, CLOCKS_APART_MS);
    });
    await device.restart(pin);
  }
}

export class BenchError extends Error {
  constructor(what: string) {
    super(`${what} that is measured did not end as it should, so that its time means nothing.`);
    this.name = "BenchError";
  }
}
