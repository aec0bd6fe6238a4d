// Reads articles that cost a little: pays by itself with the halves on a card that only stores them, up to a cent for each.
//   node examples/reader.mjs card http://127.0.0.1:8402/articles/1 http://127.0.0.1:8402/articles/2
import { payingFetch, StorageCard } from "tallystick";

const [file, ...urls] = process.argv.slice(2);
const card = await StorageCard.open(file);
const { unit } = card.terms;
const fetch = payingFetch({ purses: [card], maxPrice: { amount: 100n, unit } });
for (const url of urls) console.log(await (await fetch(url)).text());
console.log(`Left on the card: ${card.available} of ${unit.currency}/${unit.exponent}.`);
await card.close();
