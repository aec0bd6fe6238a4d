/** The sandbox's newspaper as a server: articles for token halves, over HTTP. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { checkPublic, publicAddress } from "../communications/address.js";
import type { ServerPlace } from "../servers/bank-server.js";
import { AGAIN_SECONDS, type Offer, paymentOf } from "../tokens/http/paywall.js";
import { serveSeller } from "../tokens/http/serve-seller.js";
import type { Accepted } from "../tokens/seller/seller.js";
import { parseDecimal } from "../units.js";
import { ARTICLES, type Article } from "./newspaper.js";
import type { Served } from "./serve.js";
import { type Shop, shopOf } from "./shop.js";
import { type HomeTokens, TOKEN_UNIT } from "./tokens.js";

const SETTLE_EVERY_MS = 600_000;

export interface ServedNewspaper extends Served {
  readonly shop: Shop;
}

/** What a seller's customers do. */
export interface SellerEvents {
  readonly onSold?: (article: Article, accepted: Accepted) => void;
}

/** Serves it until it is closed. */
export async function serveNewspaper(
  tokens: HomeTokens,
  name: string,
  place: ServerPlace = {},
  { onSold = () => undefined }: SellerEvents = {},
): Promise<ServedNewspaper> {
  checkPublic(place);
  const shop = await shopOf(tokens, name);
  const server = await serveSeller(shop.seller, {
    ...place,
    price: (request) => offerOf(articleOf(request)),
    handler: (request, response) => answer(request, response, shop.title, onSold),
  });
  const url = publicAddress(server.url, place.publicUrl);
  shop.announce(server.url, url);
  // Purses that buyers got straight from an issuer, and recalls, while nobody served here.
  await shop.seller.collect();
  const stop = settleNowAndThen(tokens, shop);
  const close = async () => {
    stop();
    await server.close();
    await shop.close();
  };
  return { url, shop, close };
}

/** Redeems what was earned, and forgets what is over. What fails is tried again by the next. */
function settleNowAndThen({ site }: HomeTokens, { seller }: Shop): () => void {
  const { timers } = site.parts;
  let cancel = () => {};
  const settle = async () => {
    await seller.redeem();
    await seller.forget(AGAIN_SECONDS);
  };
  const next = () => {
    cancel = timers.after(SETTLE_EVERY_MS, () => void settle().then(next, next));
  };
  next();
  return () => cancel();
}

function articleOf(request: IncomingMessage): Article | undefined {
  const [path] = (request.url ?? "").split("?");
  return request.method === "GET" ? ARTICLES.find((article) => article.path === path) : undefined;
}

function offerOf(article: Article | undefined): Offer | undefined {
  if (article === undefined) return undefined;
  const { price, assertion } = article;
  return {
    unit: TOKEN_UNIT,
    price: parseDecimal(price, TOKEN_UNIT.exponent),
    ...(assertion === undefined ? {} : { assertion }),
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  title: string,
  onSold: NonNullable<SellerEvents["onSold"]>,
): void {
  const article = articleOf(request);
  const accepted = paymentOf(request);
  if (article !== undefined && accepted?.first === true) onSold(article, accepted);
  const text = article === undefined ? contents(title) : `${article.title}\n\n${article.text}\n`;
  const isThere = article !== undefined || /^\/(\?|$)/.test(request.url ?? "");
  response.writeHead(isThere ? 200 : 404, { "content-type": "text/plain; charset=utf-8" });
  response.end(isThere ? text : `There is no such article.\n\n${text}`);
}

function contents(title: string): string {
  const lines = ARTICLES.map(({ path, price, title: headline, assertion }) => {
    return `${path.padEnd(16)} USD ${price}  ${headline}${assertion === undefined ? "" : ` (${assertion})`}`;
  });
  return `${title}\n\n${lines.join("\n")}\n`;
}
