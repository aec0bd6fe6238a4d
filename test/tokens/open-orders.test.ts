/** A paying client dies at every step of a purchase, and another one with the same list of open orders goes on. */

import { afterEach, beforeEach, expect, it } from "vitest";
import { TokenError } from "../../host/tokens/errors.js";
import type { OrderKeeper } from "../../host/tokens/http/open-orders.js";
import { type Fetch, payingFetch } from "../../host/tokens/http/paying-client.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { SellerWorld } from "../support/seller-world.js";
import { SoftPurse } from "../support/soft-purse.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

const PRICE = 30n;
const TOKEN = 10n;

/** The process is gone. */
class Death extends Error {}

/** Counts what a client does to the world outside it, and dies before or after the one with this number. */
class Mortal {
  #count = 0;

  constructor(
    readonly dies: number,
    readonly when: "before" | "after",
  ) {}

  async step<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.#die("before");
    const result = await work();
    this.#die("after");
    this.#count += 1;
    return result;
  }

  stepNow(work: () => void): void {
    this.#die("before");
    work();
    this.#die("after");
    this.#count += 1;
  }

  #die(when: "before" | "after"): void {
    if (this.#count > this.dies || (this.#count === this.dies && this.when === when)) throw new Death();
  }

  get steps(): number {
    return this.#count;
  }
}

let world: SellerWorld;
let server: SellerServer;
let soft: SoftPurse;
let file: string | undefined;

beforeEach(async () => {
  world = await SellerWorld.open("open-orders");
  server = await serveSeller(world.seller, {
    price: (request) => (request.url === "/" ? undefined : { unit: FINE_DOLLAR, price: PRICE }),
    handler: (request, response) => void response.end(`goods of ${request.url}`),
  });
  const buyer = world.buyer();
  soft = new SoftPurse(buyer, await world.purse(buyer, { denominations: [{ value: TOKEN, count: 100 }] }));
  file = undefined;
});
afterEach(async () => {
  await server.close();
  await world.close();
});

function client(mortal: Mortal): Fetch {
  const keeper: OrderKeeper = {
    read: () => file,
    write: (text) =>
      mortal.stepNow(() => {
        file = text;
      }),
  };
  const purse = {
    async find(wanted: Parameters<SoftPurse["find"]>[0]) {
      const found = await soft.find(wanted);
      return (
        found && {
          ...found,
          spend: (order: Uint8Array, amount: bigint) => mortal.step(() => found.spend(order, amount)),
        }
      );
    },
  };
  return payingFetch({
    purses: [purse],
    maxPrice: { amount: PRICE, unit: FINE_DOLLAR },
    keeper,
    attempts_max: 1,
    fetch: (input, init) => mortal.step(() => fetch(input, init)),
  });
}

const IMMORTAL = () => new Mortal(Number.POSITIVE_INFINITY, "before");
const get = async (pay: Fetch, path: string) => (await pay(`${server.url}${path}`)).text();
const taken = () => world.seller.purses()[0]?.denominations[0]?.taken;
const tokens = Number(PRICE / TOKEN);

async function stepsOfOne(): Promise<number> {
  const mortal = IMMORTAL();
  expect(await get(client(mortal), "/first")).toBe("goods of /first");
  return mortal.steps;
}

it("is answered by the next process, and paid once, wherever it dies", async () => {
  const steps = await stepsOfOne();
  expect(steps).toBeGreaterThanOrEqual(6);
  for (let dies = 0; dies < steps; dies++) {
    for (const when of ["before", "after"] as const) {
      const before = soft.next;
      await expect(get(client(new Mortal(dies, when)), "/one")).rejects.toSatisfy(
        (error) => error instanceof Death || (error instanceof TokenError && error.cause instanceof Death),
      );
      expect(await get(client(IMMORTAL()), "/one"), `${when} step ${dies}`).toBe("goods of /one");
      // Only where its goods had come and it died over the list does it pay for them again, which the shop gives for the old order.
      expect(soft.next - before, `${when} step ${dies}`).toBe(isOver(dies, when, steps) ? 2 * tokens : tokens);
      expect(taken()).toBe(soft.next);
    }
  }
});

/** The goods were there, the order was struck off the list, and only then the process died. */
function isOver(dies: number, when: "before" | "after", steps: number): boolean {
  return dies === steps - 1 && when === "after";
}

it("loses nothing where the next process buys something else first", async () => {
  const steps = await stepsOfOne();
  for (let dies = 0; dies < steps; dies++) {
    for (const when of ["before", "after"] as const) {
      const before = soft.next;
      await get(client(new Mortal(dies, when)), "/one").catch(() => undefined);
      expect(await get(client(IMMORTAL()), "/other"), `${when} step ${dies}`).toBe("goods of /other");
      expect(await get(client(IMMORTAL()), "/one"), `${when} step ${dies}`).toBe("goods of /one");
      expect(soft.next - before, `${when} step ${dies}`).toBe((isOver(dies, when, steps) ? 3 : 2) * tokens);
      expect(taken()).toBe(soft.next);
    }
  }
});

it("does not pay an order that was made and never shown, if it is too dear by now", async () => {
  await expect(get(client(new Mortal(1, "after")), "/one")).rejects.toBeInstanceOf(Death);
  expect(soft.next).toBe(0);
  const poor = payingFetch({
    purses: [soft],
    maxPrice: { amount: PRICE - 1n, unit: FINE_DOLLAR },
    keeper: { read: () => file, write: (text) => void (file = text) },
  });
  await expect(poor(`${server.url}/one`)).rejects.toMatchObject({ code: "too-expensive" });
  expect(soft.next).toBe(0);
});

it("pays nothing where the list cannot be read", async () => {
  for (const text of [
    "no JSON",
    '{"version":2,"orders":[]}',
    '{"version":1,"orders":[{"key":"x","challenge":"","order":"00"}]}',
  ]) {
    file = text;
    await expect(async () => get(client(IMMORTAL()), "/one")).rejects.toMatchObject({ code: "malformed" });
  }
  expect(soft.next).toBe(0);
});

it("makes one order after the other, however many are asked for at once", async () => {
  const pay = client(IMMORTAL());
  const paths = Array.from({ length: 12 }, (_, number) => `/${number + 1}`);
  expect(await Promise.all(paths.map((path) => get(pay, path)))).toEqual(paths.map((path) => `goods of ${path}`));
  expect(soft.next).toBe(12 * tokens);
  expect(taken()).toBe(12 * tokens);
});
