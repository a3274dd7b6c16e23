// Prints the payload types of the npm package discord-api-types as JSON, for compare_payloads.py.
//
// Runs in a folder that has `discord-api-types` and `typescript` in its node_modules. The output has
//   events: the type of each dispatch event's data, by the event's name
//   types: the fields of each object type, by a number: {name, fields: {field: {optional, type}}}
// A type is a list of alternatives: "null", "string", "number", "boolean", a literal ({literal: value}), an array
// ({array: type}), a mapping ({record: type}), or an object ({object: number}).

const path = require("node:path");
const ts = require(path.join(process.cwd(), "node_modules/typescript"));

const entry = path.join(process.cwd(), "node_modules/discord-api-types/gateway/v10.d.ts");
const program = ts.createProgram([entry], { strict: true, noEmit: true, skipLibCheck: true, target: ts.ScriptTarget.ES2022 });
const checker = program.getTypeChecker();
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)));

const types = [];
const numbers = new Map();

function describe(type) {
    if (type.isUnion()) return unique(type.types.flatMap(describe));
    // An intersection of objects with different literals: TypeScript finds out late that it has no value.
    if (type.isIntersection() && !checker.getPropertiesOfType(type).length) return [];
    const flags = type.flags;
    if (flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void | ts.TypeFlags.Never)) return [];
    if (flags & ts.TypeFlags.Null) return ["null"];
    if (flags & (ts.TypeFlags.StringLiteral | ts.TypeFlags.NumberLiteral)) return [{ literal: type.value }];
    if (flags & ts.TypeFlags.BooleanLike) return ["boolean"];
    if (flags & (ts.TypeFlags.StringLike | ts.TypeFlags.TemplateLiteral)) return ["string"];
    if (flags & ts.TypeFlags.NumberLike) return ["number"];
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return ["any"];
    if (checker.isTupleType(type)) return [{ array: unique(checker.getTypeArguments(type).flatMap(describe)) }];
    if (checker.isArrayType(type)) return [{ array: describe(checker.getTypeArguments(type)[0]) }];
    const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
    if (index && !checker.getPropertiesOfType(type).length) return [{ record: describe(index.type) }];
    // `string & {…}`, which keeps the literals of a union visible in editors
    if (type.isIntersection() && type.types.some((part) => part.flags & ts.TypeFlags.StringLike)) return ["string"];
    return [{ object: number(type) }];
}

function unique(alternatives) {
    return [...new Map(alternatives.map((one) => [JSON.stringify(one), one])).values()];
}

function number(type) {
    if (!numbers.has(type)) {
        numbers.set(type, types.length);
        const described = { name: (type.aliasSymbol ?? type.symbol)?.name ?? "", fields: {} };
        types.push(described);
        for (const property of checker.getPropertiesOfType(type)) {
            const optional = Boolean(property.flags & ts.SymbolFlags.Optional);
            described.fields[property.name] = { optional, type: describe(checker.getTypeOfSymbol(property)) };
        }
    }
    return numbers.get(type);
}

const dispatches = exported.find((symbol) => symbol.name === "GatewayDispatchPayload");
const events = {};
for (const dispatch of checker.getDeclaredTypeOfSymbol(dispatches).types) {
    const names = describe(checker.getTypeOfSymbol(dispatch.getProperty("t")));
    const data = describe(checker.getTypeOfSymbol(dispatch.getProperty("d")));
    for (const name of names) events[name.literal] = unique([...(events[name.literal] ?? []), ...data]);
}
console.log(JSON.stringify({ events, types }));
