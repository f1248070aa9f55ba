// swift-tools-version: 6.2
import PackageDescription

/// The sources of the store to build against; `scripts/compare-speed` names those of a commit.
let store = Context.environment["PMEMKV_SOURCE"] ?? "../.."

let swiftSettings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "pmemkv-hot-path",
    dependencies: [.package(name: "pmemkv", path: store)],
    targets: [
        .target(name: "CHotPath", cSettings: [.treatAllWarnings(as: .error)]),
        .executableTarget(
            name: "hot-path",
            dependencies: ["CHotPath", .product(name: "PmemKV", package: "pmemkv")],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "shared-lines",
            dependencies: ["CHotPath", .product(name: "PmemKV", package: "pmemkv")],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6]
)
