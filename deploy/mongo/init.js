// Begins the replica set of one member, and makes one user for each layer with rights to that layer's database only.
// It may run again at any time. Before the first user's sign-in works, the set must have a primary.
const root = process.env.MONGO_ROOT_PASSWORD;
const admin = db.getSiblingDB("admin");
admin.auth("root", root);
try {
  rs.status();
} catch (e) {
  if (e.codeName !== "NotYetInitialized") throw e;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
}
for (let i = 0; !db.hello().isWritablePrimary; i++) {
  if (i === 300) throw new Error("the replica set has no primary after 60 s: look at the log of the service mongo");
  sleep(200);
}
for (const layer of ["strategic", "functional", "operational"]) {
  const own = db.getSiblingDB("strata_" + layer);
  const pwd = process.env["MONGO_" + layer.toUpperCase() + "_PASSWORD"];
  const roles = [{ role: "readWrite", db: "strata_" + layer }];
  if (own.getUser(layer)) own.updateUser(layer, { pwd, roles });
  else own.createUser({ user: layer, pwd, roles });
}
