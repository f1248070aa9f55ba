import Testing

/// The rules about the rooms, in trees with one offender or more for each and near misses.
@Suite struct RoomTests {
    private let store = """
        public final class Engine {
            struct Shape {}
        }
        struct Shape {}
        struct Slot {}
        private struct Kept {}
        func openAll() {}
        let patience = 3
        """

    @Test func lowerRoomsMayNotNameHigherOnes() {
        MadeUpTree([
            "Sources/PmemKV/Store/Engine.swift": store,
            "Sources/PmemKV/Log/Head.swift": #"""
            struct Head {
                let engine: Engine  //! rooms
                let slots: [Slot: Int] = [:]  //! rooms
                func f(_ x: some Collection<Slot>) {  //! rooms
                    openAll()  //! rooms
                    sleep(patience)  //! rooms
                    print("\(Engine.self)")  //! rooms
                    _ = PmemKV.Slot()  //! rooms
                    switch x { case Engine.first: break }  //! rooms
                }
                #if DEBUG
                    var debugged: Engine?  //! rooms
                #endif
            }
            """#,
            "Sources/PmemKV/Recovery/Opening.swift": """
            struct Opening { let head: Head; let own: Opening }
            """,
        ]).expectOffenders()
    }

    /// The decision asked the doctor whether MAP_SYNC is accepted, so that the store went through
    /// the doctor's room on each open.
    @Test func placesHaveRoomsToo() {
        MadeUpTree([
            "Sources/PmemPlaces/Doctor/Probe.swift": "struct Probe { let decision: Decision }",
            "Sources/PmemPlaces/Durability/Decision.swift": """
            struct Decision {
                let probe: Probe  //! rooms
                let facts: Facts
            }
            """,
            "Sources/PmemPlaces/Facts/Facts.swift": "struct Facts { let other: Facts? }",
        ]).expectOffenders()
    }

    @Test func namesThatMeanSomethingElseAreFree() {
        MadeUpTree([
            "Sources/PmemKV/Store/Engine.swift": store,
            "Sources/PmemKV/Log/Head.swift": ##"""
            // An Engine is named here, and /* an */ Engine, and "an Engine.
            /* An Engine /* nested: Engine */ Engine */
            struct Head {
                let text = "Engine \"Engine\" " + #"Engine "\(Engine)" \"# + #"""#
                let long = """
                    Engine "Engine" \"""
                    Engine
                    """
                func f(_ kept: Kept) { print(Head.Engine, Other.Slot.self, .Slot) }
                func g(_ patience: Int) { print(h(Slot: 1, Engine: patience)) }
            }
            enum Choice { case Engine, other }
            #if Engine && canImport(Slot)
            #elseif Slot
            #endif
            """##,
            "Sources/PmemKV/Index/Table.swift": """
            struct Table<Engine: Sendable, Rest> {
                enum Shape { case flat }
                let shape: Shape
                let engine: Engine
            }
            extension Table {
                var other: Shape { Shape.flat }
                func use(_ engine: Engine) {}
            }
            func swapped<Slot>(_ slot: Slot) -> Slot { slot }
            protocol Shaped {
                associatedtype Slot
                var slot: Slot { get }
            }
            """,
            "Sources/PmemKV/Index/Draft.swift": """
            private struct Slot { let slot: Slot? }
            struct Draft { let slot: Slot }
            """,
        ]).expectOffenders()
    }

    @Test func nestedNamesHideNothingOutside() {
        MadeUpTree([
            "Sources/PmemKV/Store/Engine.swift": store,
            "Sources/PmemKV/Index/Table.swift": """
            struct Table<Slot> { enum Shape { case flat } }
            struct Next { let shape: Shape }  //! rooms
            func first(_ slot: Slot) {}  //! rooms
            """,
        ]).expectOffenders()
    }

    @Test func nameBelongsToOneRoom() {
        MadeUpTree([
            "Sources/PmemKV/Log/Head.swift": """
            struct Head {}  //! rooms
            private struct Kept {}
            struct Outer { struct Inner {} }
            """,
            "Sources/PmemKV/Index/Head.swift": """
            enum Head {}  //! rooms
            private struct Kept {}
            struct Inner {}
            extension Inner {}
            """,
        ]).expectOffenders()
    }

    @Test func libraryStandsInItsRooms() {
        MadeUpTree([
            "Sources/PmemKV/Engine.swift": "final class Engine {}\n",
            "Sources/PmemKV/Doctor/Report.swift": "struct Report {}\n",
            "Sources/PmemKV/Documentation.docc/PmemKV.md": "# The library\n",
            "Sources/PmemKV/Store/Deep/Face.swift": "let engine: Engine\n",
            "Sources/PmemKV/Support/Bytes.swift": "let report: Report  //! rooms\n",
        ]).expectOffenders(inFiles: [
            "Sources/PmemKV/Engine.swift:0: rooms",
            "Sources/PmemKV/Doctor/Report.swift:0: rooms",
            "Sources/PmemKV/Store/Deep/Face.swift:1: rooms",
        ])
    }

    @Test func typesAreExtendedAtHome() {
        MadeUpTree([
            "Sources/PmemKV/Store/Engine.swift": store,
            "Sources/PmemKV/Store/Engine+Write.swift": "extension Engine {}\n",
            "Sources/PmemKV/Log/Head.swift": """
            struct Head { struct Place {} }
            extension Head.Place {}
            extension Engine {}  //! extensions, rooms
            """,
            "Sources/PmemKV/Index/Table.swift": """
            extension Head.Place: Equatable {}  //! extensions
            private extension PmemKV.Head {}  //! extensions
            extension Array where Element == Head {}
            extension Other.Head {}
            // extension Head {}
            let text = "extension Head {}"
            """,
            "Sources/pmemkv-cli/Command.swift": "extension Engine {}\n",
        ]).expectOffenders()
    }
}
