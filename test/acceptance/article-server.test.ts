/**
 * Articles over HTTP 402, bought with a chip, as the README says: the newspaper of the command line, and the article server and the reader of
 * examples/. Each is a process of its own. Whatever is killed meanwhile, nothing is sold or paid twice, and in the end everybody has his own.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readChallenge } from "../../host/tokens/http/challenge.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { SEALED_TYPE } from "../../host/tokens/http/sealed-goods.js";
import { openPurse } from "../../host/world/shop.js";
import { unpackHome } from "../support/homes.js";
import { Child, commandsOn, type Ended, endChildren, tallyProcess } from "../support/processes.js";
import { FINE_DOLLAR } from "../support/token-buyer.js";

let home: string;
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "tallystick-articles-")), "world");
  unpackHome(home);
});
afterEach(async () => {
  await endChildren();
  rmSync(join(home, ".."), { recursive: true, force: true });
});

const { started, done } = commandsOn(() => home);
const spoken = (...words: string[]): Promise<Ended> => tallyProcess(["--home", home, ...words]).ended;

/** What the mint counts in all purses, and whether everybody's books agree. */
async function expectAudit(sums: { outstanding: string; redeemed: string; refunded: string }): Promise<void> {
  const { value, code } = await done("mint", "audit");
  expect([code, value]).toMatchObject([0, { units: [{ currency: "USD", ...sums }], faults: [] }]);
  const audit = (await done("audit")).value["audit"] as { balanced: boolean }[];
  expect(audit.map(({ balanced }) => balanced)).toEqual([true, true]);
}

describe("examples/article-server.mjs and examples/reader.mjs", () => {
  let server: Child;
  let url: string;

  /** As the file says how, at a port that is free. */
  async function startServer(): Promise<void> {
    server = new Child(["examples/article-server.mjs", home, "gazette", "0"]);
    const ready = /^The Harbour Gazette: articles at (http:\S+)\/articles\/1\./.exec(await server.line(/articles at/));
    url = ready?.[1] ?? "";
  }

  async function stopServer(): Promise<void> {
    server.kill("SIGINT");
    expect(await server.ended).toMatchObject({ code: 0, err: "" });
  }

  const reader = (...articles: number[]) =>
    new Child(["examples/reader.mjs", home, "alice", ...articles.map((number) => `${url}/articles/${number}`)]);
  const told = (...articles: number[]): Ended => {
    return {
      code: 0,
      signal: null,
      err: "",
      out: articles.map((number) => `You read /articles/${number}.\n\n`).join(""),
    };
  };

  beforeEach(startServer);

  test("sell what is paid, ask the price of what is not, and everybody has his own in the end", {
    timeout: 60_000,
  }, async () => {
    const asked = await fetch(`${url}/articles/1`);
    expect(asked.status).toBe(402);
    expect(readChallenge(asked.headers.get("www-authenticate"))).toMatchObject({ unit: FINE_DOLLAR, price: 20n });
    // Without tokens nothing is sold.
    const poor = await reader(1).ended;
    expect([poor.code, poor.out]).toEqual([1, ""]);
    expect(poor.err).toMatch(/No purse has tokens for this shop.*Nothing was paid/);

    expect(await spoken("tokens", "request", "alice", "gazette", "USD 1.00")).toMatchObject({ code: 0, err: "" });
    expect(await reader(1, 2).ended).toEqual(told(1, 2));
    // The same article again is another purchase; what is free costs nothing.
    expect(await reader(2).ended).toEqual(told(2));
    expect((await fetch(`${url}/elsewhere`)).status).toBe(200);
    await expectAudit({ outstanding: "1.0000", redeemed: "0.0000", refunded: "0.0000" });
    await stopServer();
    await expectAudit({ outstanding: "0.9940", redeemed: "0.0060", refunded: "0.0000" });
    expect((await done("tokens", "refund", "alice", "gazette")).value).toMatchObject({
      state: "closed",
      amount: "0.9940",
    });
    await expectAudit({ outstanding: "0.0000", redeemed: "0.0060", refunded: "0.9940" });
  });

  test("killed at any time, the server remembers what it sold, and sells no half twice", {
    timeout: 60_000,
  }, async () => {
    expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
    let payment = "";
    const purse = await openPurse(home, "alice");
    const pay = payingFetch({
      purses: [purse],
      maxPrice: { amount: 20n, unit: FINE_DOLLAR },
      fetch: (input, init) => {
        payment = new Headers(init?.headers).get("authorization") ?? payment;
        return fetch(input, init);
      },
    });
    expect(await (await pay(`${url}/articles/1`)).text()).toBe("You read /articles/1.\n");
    await purse.close();
    for (let deaths = 0; deaths < 3; deaths += 1) {
      server.kill("SIGKILL");
      expect(await server.ended).toMatchObject({ signal: "SIGKILL" });
      await startServer();
      // The same payment is for what it bought, which only the chip that paid can open, and for nothing else.
      const again = await fetch(`${url}/articles/1`, { headers: { authorization: payment } });
      expect([again.status, again.headers.get("content-type")]).toEqual([200, SEALED_TYPE]);
      expect(await again.text()).not.toContain("You read");
      const other = await fetch(`${url}/articles/7`, { headers: { authorization: payment } });
      expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([409, "wrong-order"]);
      expect(await reader(2).ended).toEqual(told(2));
    }
    await stopServer();
    await expectAudit({ outstanding: "0.9920", redeemed: "0.0080", refunded: "0.0000" });
    expect((await done("tokens", "refund", "alice", "gazette")).value).toMatchObject({ amount: "0.9920" });
    await expectAudit({ outstanding: "0.0000", redeemed: "0.0080", refunded: "0.9920" });
  });

  test("killed while it reads, a reader pays for nothing that it is not given later", { timeout: 60_000 }, async () => {
    expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
    const articles = Array.from({ length: 40 }, (_, i) => i + 1);
    const killed = reader(...articles);
    // Somewhere among the forty.
    await killed.line(/articles\/9\./);
    killed.kill("SIGKILL");
    const { out, signal } = await killed.ended;
    expect(signal).toBe("SIGKILL");
    const read = [...out.matchAll(/articles\/(\d+)\./g)].map(([, number]) => Number(number));
    const rest = articles.filter((number) => !read.includes(number));
    expect(rest.length).toBeGreaterThan(0);
    expect(await reader(...rest).ended).toEqual(told(...rest));
    await stopServer();
    const left = (await done("tokens", "balance", "alice")).value["purses"] as { left: string }[];
    // One that came and could not be printed any more may have been paid again: no other.
    expect(["0.9200", "0.9180"]).toContain(left[0]?.left);
    const sold = left[0]?.left === "0.9200" ? "0.0800" : "0.0820";
    await expectAudit({ outstanding: left[0]?.left ?? "", redeemed: sold, refunded: "0.0000" });
  });
});

test("tally seller serve sells to tally tokens spend, and to nobody for nothing", { timeout: 60_000 }, async () => {
  const newspaper = started("seller", "serve", "gazette");
  const { url } = await newspaper.event("ready");
  expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
  const tides = await spoken("tokens", "spend", "alice", `${url}/tides`);
  expect(tides).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringMatching(/^Tide tables[\s\S]*\nPaid USD 0\.0010\.\n$/),
  });
  expect((await fetch(`${url}/tides`)).status).toBe(402);
  expect(await newspaper.event("sold")).toMatchObject({ path: "/tides", amount: "0.0010" });
  newspaper.kill("SIGINT");
  expect(await newspaper.ended).toMatchObject({ code: 0, err: "" });
  expect(await newspaper.event("redeemed")).toMatchObject({ tokens: 1, amount: "0.0010" });
  await expectAudit({ outstanding: "0.9990", redeemed: "0.0010", refunded: "0.0000" });
});
