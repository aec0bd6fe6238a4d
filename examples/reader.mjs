// Reads articles that cost a little: a fetch that pays by itself, up to a cent for each.
//   node examples/reader.mjs ./world alice http://127.0.0.1:8402/articles/1
import { openPurse, parseMoney, payingFetch } from "tallystick";

const [home = "./world", owner = "alice", ...urls] = process.argv.slice(2);
const purse = await openPurse(home, owner);
const fetch = payingFetch({ purses: [purse], maxPrice: parseMoney("USD 0.01", 2), keeper: purse.keeper });
for (const url of urls) console.log(await (await fetch(url)).text());
await purse.close();
