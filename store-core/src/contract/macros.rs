//! The macros that stamp the contract as tests. A behaviour that is not listed here does not run;
//! a test below compares the lists with the files.

/// Stamps the behaviours of a [`UserSessionStore`](crate::UserSessionStore) as tests. See
/// [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_store_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store)
            create: [
                a_created_session_is_found,
            ],
        }
    };
}

/// Stamps the behaviours of a [`UserSessionStoreCleanup`](crate::UserSessionStoreCleanup) as tests.
/// See [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_store_cleanup_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store, store) }
    };
}

/// Stamps the behaviours of a [`UserSessionDirectory`](crate::UserSessionDirectory) as tests. See
/// [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_directory_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store, store) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_contract {
    ($factory:tt $arguments:tt $($file:ident: [$($behaviour:ident),* $(,)?],)*) => {$(
        mod $file {
            #[allow(unused_imports)]
            use super::*;

            $crate::__stamp_behaviours! { $factory $arguments $file [$($behaviour)*] }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_behaviours {
    (($factory:path) $arguments:tt $file:ident [$($behaviour:ident)*]) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            let clock = $crate::contract::clock();
            let made = $factory(::std::sync::Arc::clone(&clock)).await;
            if let Some(store) = $crate::contract::Provided::provided(made) {
                $crate::__check_behaviour!($file $behaviour store clock $arguments);
            }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_behaviour {
    ($file:ident $behaviour:ident $store:ident $clock:ident (store)) => {
        $crate::contract::$file::$behaviour(&*$store, &$clock).await
    };
    ($file:ident $behaviour:ident $store:ident $clock:ident (store, store)) => {
        $crate::contract::$file::$behaviour(&*$store, &*$store, &$clock).await
    };
}
