// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Whether a library's header is there. Its part of the package is built only then; without it the
/// program says how to install it. `scripts/bench` installs all of them.
func has(_ header: String) -> Bool {
    FileManager.default.fileExists(atPath: "/usr/include/" + header)
}

/// The stores that the store is compared with; PMEMKV_BENCH_PEERS=none leaves them out, for a
/// program that only runs `io`.
func hasStore(_ header: String) -> Bool {
    Context.environment["PMEMKV_BENCH_PEERS"] != "none" && has(header)
}

/// LevelDB and RocksDB share a target.
let logTrees = ["leveldb", "rocksdb"].filter { hasStore($0 + "/db.h") }

/// What is part of the package when its library is there, and what the Swift code knows it by.
struct Peer {
    var define: String
    var isThere: Bool
    var target: Target
}

let peers = [
    Peer(
        define: "HAVE_LMDB", isThere: hasStore("lmdb.h"),
        target: .systemLibrary(
            name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])])),
    Peer(
        define: "HAVE_LOG_TREE", isThere: !logTrees.isEmpty,
        target: .target(
            name: "CLogTree",
            cxxSettings: [.treatAllWarnings(as: .error)]
                + logTrees.map { .define("HAVE_" + $0.uppercased()) },
            linkerSettings: logTrees.map { .linkedLibrary($0) })),
    Peer(
        define: "HAVE_URING", isThere: has("liburing.h"),
        target: .target(
            name: "CUringShim", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("uring")])),
].filter(\.isThere)

/// Settings every Swift target of the package is built with.
let strict: [SwiftSetting] =
    [
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + peers.map { .define($0.define) }

let targets =
    peers.map(\.target) + [
        .target(
            name: "CBench", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("pmem")]),
        .target(
            name: "CPmemObjMap", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("pmemobj")]),
        .executableTarget(
            name: "pmemkv-bench",
            dependencies: peers.map { .byName(name: $0.target.name) } + [
                "CBench",
                "CPmemObjMap",
                .product(name: "PmemKV", package: "pmemkv"),
                .product(name: "PmemPlaces", package: "pmemkv"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),
        .testTarget(name: "BenchTests", dependencies: ["pmemkv-bench"], swiftSettings: strict),
    ]

let package = Package(
    name: "pmemkv-benchmarks",
    products: [.executable(name: "pmemkv-bench", targets: ["pmemkv-bench"])],
    dependencies: [
        .package(name: "pmemkv", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: targets,
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .gnucxx17
)
