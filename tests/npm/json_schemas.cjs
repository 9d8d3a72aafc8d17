// Convert a JSON list of JSON Schemas on stdin to TypeScript with json-schema-to-typescript. The title of a schema is the
// name of its type.
const { compile } = require("json-schema-to-typescript");

async function main() {
  const schemas = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const texts = [];
  for (const schema of schemas) {
    texts.push(await compile(schema, schema.title, { bannerComment: "", additionalProperties: false, format: false }));
  }
  process.stdout.write(JSON.stringify(texts));
}

main();
