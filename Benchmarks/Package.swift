// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// A library the store is compared with. Its targets are part of the package when its development
/// package is installed; without it the peer is left out and the program says how to install it.
/// `scripts/bench` installs all of them.
struct Peer {
    var define: String
    var header: String
    var target: Target

    /// PMEMKV_BENCH_PEERS=none leaves the stores out, for a program that only runs `io`.
    var isWanted: Bool {
        let isStore = define != "HAVE_URING"
        return !(isStore && Context.environment["PMEMKV_BENCH_PEERS"] == "none")
            && FileManager.default.fileExists(atPath: "/usr/include/" + header)
    }
}

let peers = [
    Peer(
        define: "HAVE_LMDB", header: "lmdb.h",
        target: .systemLibrary(
            name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])])),
    Peer(
        define: "HAVE_ROCKSDB", header: "rocksdb/db.h",
        target: .target(
            name: "CRocksDBShim", cxxSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("rocksdb")])),
    Peer(
        define: "HAVE_LEVELDB", header: "leveldb/db.h",
        target: .target(
            name: "CLevelDBShim", cxxSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("leveldb")])),
    Peer(
        define: "HAVE_URING", header: "liburing.h",
        target: .target(
            name: "CUringShim", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("uring")])),
].filter(\.isWanted)

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
