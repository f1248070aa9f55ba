// swift-tools-version: 6.2
import PackageDescription

/// Settings every Swift target of the package is built with.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// With PMEMKV_FUZZ=1 everything is built for libFuzzer, and the fuzz targets exist; scripts/crash
/// does that in a build directory of its own.
let isFuzzing = Context.environment["PMEMKV_FUZZ"] == "1"

let package = Package(
    name: "pmemkv",
    products: [
        .library(name: "PmemKV", targets: ["PmemKV"]),
        .library(name: "PmemPlaces", targets: ["PmemPlaces"]),
        .executable(name: "pmemkv", targets: ["pmemkv-cli"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibPmem", pkgConfig: "libpmem", providers: [.apt(["libpmem-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "CPmem", dependencies: ["CLibPmem"],
            cSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "PmemPlaces",
            dependencies: [
                "CPmem", "CZlib", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict + [.strictMemorySafety()]),
        .target(
            name: "PmemKV",
            dependencies: [
                "CPmem",
                "PmemPlaces",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict + [.strictMemorySafety()]),
        .target(name: "PmemKVText", swiftSettings: strict),
        .target(
            name: "PmemKVTesting",
            dependencies: [
                "CPmem", "PmemKV", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "pmemkv-crash", dependencies: ["PmemKV", "PmemKVTesting"],
            swiftSettings: strict),
        .executableTarget(
            name: "pmemkv-cli",
            dependencies: [
                "PmemKV",
                "PmemKVText",
                "PmemPlaces",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PmemPlacesTests",
            dependencies: [
                "CZlib", "PmemPlaces", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PmemKVTests",
            dependencies: [
                "CPmem", "PmemKV", "PmemKVTesting",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CrashTests", dependencies: ["PmemKV", "PmemKVTesting"], swiftSettings: strict),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "CPmem", "PmemKV", "PmemKVTesting",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(name: "CLITests", dependencies: ["PmemKVText"], swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        .executableTarget(
            name: "pmemkv-torture", dependencies: ["PmemKV"], path: "Tests/dax-vm/torture",
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

if isFuzzing {
    package.targets.append(
        .target(name: "FuzzDriver", path: "Tests/Fuzz/Driver", swiftSettings: []))
    for name in ["Pool", "Dump", "Shell"] {
        package.targets.append(
            .executableTarget(
                name: "fuzz-\(name.lowercased())",
                dependencies: ["FuzzDriver", "PmemKVTesting", "PmemKVText"],
                path: "Tests/Fuzz/\(name)",
                swiftSettings: [.unsafeFlags(["-parse-as-library"])],
                linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
    }
    for target in package.targets {
        switch target.type {
        case .regular where target.name == "CPmem":
            target.cSettings?.append(.unsafeFlags(["-fsanitize=fuzzer-no-link"]))
        case .regular, .executable:
            target.swiftSettings?.append(.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"]))
        default: break
        }
    }
}
